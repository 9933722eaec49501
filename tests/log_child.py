"""A process of its own for the tests of the embedded log: `python log_child.py ROLE DIR …`. The tests end it as they like.

produce   owns DIR and appends frames from many producers, each going on after the number that is given for it; writes
          `session first last` to standard output after each acknowledgement
own       owns DIR, serves its log, writes `ready`, and ends when standard input does
append    appends through the owner and writes the receipt's last position
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from log_records import sequenced, state
from tailrace.connectors.log_socket import SocketLog, serve
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.connectors.log_sqlite_file import EVENTS_FILE
from tailrace.connectors.ownership import own

FRAME = 20


async def produce(directory: Path, starts: list[int]) -> None:
    with own(directory):
        log = SqliteLog(directory / EVENTS_FILE)

        async def one(k: int, first: int) -> None:
            while True:
                await log.append([sequenced(first, FRAME, session=f"s{k}")])
                os.write(1, f"s{k} {first} {first + FRAME - 1}\n".encode())
                first += FRAME

        await asyncio.gather(*(one(k, start) for k, start in enumerate(starts)))


async def keep(directory: Path) -> None:
    with own(directory) as owned:
        log = SqliteLog(directory / EVENTS_FILE)
        server = await serve(log, owned.socket, lambda: {"pid": os.getpid()})
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await server.close()
        await log.close()


async def append(directory: Path, ids: list[int]) -> None:
    log = SocketLog(directory)
    receipt = await log.append([state(number) for number in ids])
    print(receipt.last, flush=True)
    await log.close()


if __name__ == "__main__":
    role, folder, numbers = sys.argv[1], Path(sys.argv[2]), [int(each) for each in sys.argv[3:]]
    asyncio.run({"produce": produce, "append": append}[role](folder, numbers) if role != "own" else keep(folder))
