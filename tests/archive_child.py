"""A process of its own for the tests of the archive: `python archive_child.py DIR FIRST`. The tests kill it.

Appends frames of readings from FIRST on and writes the last number to standard output after each acknowledgement, while it
archives everything that is there, in small files, over and over.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from archive_logs import archive_all
from log_records import sequenced
from tailrace.connectors import archive_file, archive_make
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_file import EVENTS_FILE
from tailrace.connectors.ownership import own

FRAME = 20


async def main(directory: Path, first: int) -> None:
    archive_file.GROUP_BYTES, archive_make.FILE_BYTES = 3_000, 10_000
    with own(directory):
        log = SqliteLog(directory / EVENTS_FILE)

        async def produce(number: int) -> None:
            while True:
                await log.append([sequenced(number, FRAME)])
                os.write(1, f"{number + FRAME - 1}\n".encode())
                number += FRAME

        async def archive() -> None:
            while True:
                await log.sweep()
                await archive_all(log)

        await asyncio.gather(produce(first), archive())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
