"""Moving what is old from `events.db` into the archive, whoever owns the folder.

Rules: the files are made in this process (connectors/archive_make.py); entering them and removing rows is the owner's: through
its socket where one listens, else by owning the folder meanwhile. Ending it at any moment loses nothing; the next run goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from tailrace.app import compose
from tailrace.app.edit_log import folder_log
from tailrace.connectors.archive import Sealed
from tailrace.connectors.log_sqlite_reader import LogReader
from tailrace.schemas.instant import HOUR

Heard = Callable[[int, int], None]
"""Told how many records are archived, of how many the log has."""


class Archived(msgspec.Struct, frozen=True):
    """What one run did. strange: files in the folder that the log does not know and that hold something else."""

    files: list[Sealed]
    strange: list[str]
    archived: int
    records: int


def sealed_hours(now: int) -> int:
    """The beginning of the hour that is still running, ns: what was ingested before it is archived by default."""
    return now // HOUR * HOUR


async def archive(directory: Path, before: int, heard: Heard = lambda done, of: None) -> Archived:
    """Archives what was ingested before an instant, ns, up to the first record that was not.

    Raises Owned where another process archives or holds the folder without listening, Unavailable where something fails.
    """
    # Parquet takes half a second and 70 MB to import.
    from tailrace.connectors.archive_make import clean, make, making  # noqa: PLC0415

    files = []
    path = compose.events_file(directory)
    with making(directory) as folder:
        async with folder_log(directory) as owner:
            with closing(LogReader(path)) as log:
                await owner.sweep()
                strange = clean(folder, log)
                while sealed := make(folder, log, before):
                    await owner.seal(sealed)
                    await owner.sweep()
                    files.append(sealed)
                    heard(sealed.last, log.end())
                return Archived(files, strange, log.archived()[0], log.end())
