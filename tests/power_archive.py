"""The archive under power loss: appends, files of Parquet and rows that leave `events.db`, on one recorded disk.

Rules
1. `app/archive.py` runs as it is: `events.db` through the VFS of power_sqlite.py, the files through power_files.py. Appends come
   between runs, each acknowledgement is noted with the position that it reached.
2. Whatever the crash, archive and log read as one give a beginning of `truth` with everything acknowledged, at positions
   1, 2, 3 …, and `log verify` finds every byte in order; the next run removes what was left behind, and goes on.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from log_records import NOW
from power_disk import Disk, Image, Moment, put
from power_files import watched
from power_log import Script, stored
from power_sqlite import recorded
from tailrace.app import archive
from tailrace.app.compose import EVENTS_FILE
from tailrace.connectors.archive import FOLDER
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_verify import verify

RUN_GROUPS = 4
"""Groups between two runs of the archive."""


class Way(NamedTuple):
    """How a life is led: on a disk as it is, or on one that forgets something."""

    disk: type[Disk] = Disk


def live(script: Script, root: Path, image: Image, groups: range, way: Way = Way()) -> Disk:  # noqa: B008
    """Appends some groups of the script and archives in between; gives the recording of it."""
    put(image, root)
    disk = way.disk(image, acked=script.ends[groups.start])
    with recorded(disk), watched(disk, root, lambda name: name.startswith(f"{FOLDER}/")):
        for first in range(groups.start, groups.stop, RUN_GROUPS):
            asyncio.run(_append(script, root, range(first, min(first + RUN_GROUPS, groups.stop)), disk))
            _archive(root)
    return disk


async def _append(script: Script, root: Path, groups: range, disk: Disk | None = None) -> None:
    log = SqliteLog(root / EVENTS_FILE)
    for append in (append for group in groups for append in script.groups[group]):
        await log.append(append)
        if disk is not None:
            disk.note("acked", await log.end())
    await log.close()


def _archive(root: Path) -> list[str]:
    return asyncio.run(archive.archive(root, NOW + 1)).strange


# -- what is left ------------------------------------------------------------------------------------------------------------


def fault(script: Script, root: Path, moment: Moment, image: Image) -> tuple[str, int]:
    """What is wrong with what is left, in words, and where the log ends."""
    put(image, root)
    found, why = stored(root / EVENTS_FILE)
    if len(found) < moment.facts["acked"]:
        return f"lost: {moment.facts['acked']} records acknowledged, {len(found)} there {why}", len(found)
    if found != script.truth[: len(found)]:
        return "other bytes: these are not the records that were sent", len(found)
    verdict = verify(root / EVENTS_FILE) if found else None
    return "" if verdict is None or verdict.ok else f"damaged: {verdict}", len(found)


def met(root: Path, end: int) -> Iterator[str]:
    """What is an example of what, with a log of some length."""
    if not end:
        return
    with closing(sqlite3.connect(root / EVENTS_FILE)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM record").fetchone()
        files = {name for (name,) in connection.execute("SELECT file FROM archive")}
    if rows < end:
        yield "records without a row"
    if {path.name for path in (root / FOLDER).glob("*")} - files:
        yield "a file without its entry"


def resumed(script: Script, root: Path, groups: range) -> str:
    """What is wrong after another run, the groups sent again, and one more run."""
    path = root / EVENTS_FILE
    if path.exists() and _archive(root):
        return "resumed: files that nobody knows"
    asyncio.run(_append(script, root, groups))
    _archive(root)
    found, why = stored(path)
    if found != script.truth[: script.ends[groups.stop]]:
        return f"resumed: {len(found)} records, expected the {script.ends[groups.stop]} of the script {why}"
    names = {each.name for each in (root / FOLDER).iterdir()}
    verdict = verify(path)
    return "" if verdict.ok and len(names) == verdict.files else f"resumed: {verdict}, files {sorted(names)}"


# -- disks that forget something of the archive ------------------------------------------------------------------------------


class NeverSyncsFiles(Disk):
    """Syncs databases, and no file of the archive."""

    def sync(self, name: str) -> None:
        if not name.startswith(FOLDER):
            super().sync(name)


class NeverSyncsTheFolder(Disk):
    """Forgets which files the archive has."""

    def sync_folder(self, folder: str = "") -> None:
        if folder != FOLDER:
            super().sync_folder(folder)


MISTAKES = {
    "a file of the archive not synced": NeverSyncsFiles,
    "the folder of the archive not synced": NeverSyncsTheFolder,
}
