"""Which database a data folder feeds, for commands that are not told the plant file.

Rule: `read_models.json` is written by whoever feeds, before it begins, and taken away where the plant file names none any more.
It holds no password.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tailrace.app import durable
from tailrace.app.sql_feed import Feed, Say
from tailrace.projections.store_settings import ReadModels
from tailrace.schemas.errors import InvalidSettings

FILE = "read_models.json"


def feed(directory: Path, settings: ReadModels | None, say: Say) -> Feed | None:
    """What feeds the database of a plant file, and None where it names none."""
    return None if settings is None else Feed(directory, settings.absolute(), say)


def write(directory: Path, settings: ReadModels | None) -> None:
    """Keeps what the plant file says."""
    if settings is not None:
        durable.replace(directory / FILE, msgspec.json.encode(settings.absolute()))
    else:
        (directory / FILE).unlink(missing_ok=True)


def read(directory: Path) -> ReadModels | None:
    """The database; None where the folder feeds none. Raises InvalidSettings where the file is damaged."""
    path = directory / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=ReadModels)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidSettings(
            f"{path}: expected which database this folder feeds, got: {error}; delete it, `tailrace up` writes it again"
        ) from None
