"""Small files that a later start relies on: all of the new content or all of the old, also when the power fails.

Rules: the content is on the disk before the name points to it, and the name is on the disk before `replace` returns.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Puts content where `path` is. Raises OSError where the folder cannot be written."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    with suppress(OSError):  # a file system that syncs no folder
        entries = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)
