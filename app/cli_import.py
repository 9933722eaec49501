"""`tailrace import`: history in, from files."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import click
import msgspec

from tailrace.app import cli_options as options
from tailrace.app import compose, kafka_folder
from tailrace.app.output import console, note, progress, put_json, table
from tailrace.app.pipeline import PLACE
from tailrace.connectors.source_file import FileSource, open_file
from tailrace.engine.ingest import Account, Ingest, Signals
from tailrace.engine.log import Log, Receipt
from tailrace.engine.source import Rejected
from tailrace.schemas.errors import InvalidSettings, Owned, SendFailed, Unavailable
from tailrace.schemas.record import Record

POLL_S = 0.02
AWAY_S = 30.0
"""How long an owner may be away, or a disk full, before an import gives up."""


@click.command("import", short_help="Bring events files and MTConnect logs into a data folder.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.directory
@click.option("--machine", default="", help="Whose log an .shdr file is (default: the file's stem).")
@click.option("--strict", is_flag=True, help="Exit with 1 when anything was quarantined.")
@options.as_json
def import_(files: tuple[Path, ...], directory: Path | None, machine: str, strict: bool, as_json: bool) -> int:
    """Bring events files (JSON lines) and MTConnect logs (.shdr) into a data folder, and fold them.

    A line that cannot be taken is quarantined with its reason, and the import goes on. Importing a file again changes
    nothing. While `tailrace up` runs on the folder, the files go through it.
    """
    sources = [_open(path, machine) for path in files]
    plant = None if directory else options.here()
    target = options.folder(directory, lambda: plant)
    if plant is not None and plant.log is not None and not compose.listens(target):
        raise InvalidSettings(
            f"{target}: expected `tailrace up` to run, for the log is on {plant.log.where}; start it with the plant file, and "
            "import again: files go through it"
        )
    done = asyncio.run(_import(sources, target, plant.signals if plant else {}))
    total = sum((ingest.account for ingest in done), Account())
    if as_json:
        put_json(msgspec.structs.asdict(total))
    else:
        rows = [(ingest.source.name.removeprefix("file:"), *msgspec.structs.astuple(ingest.account)) for ingest in done]
        console().print(table(["file", "received", "appended", "duplicate", "quarantined"], rows))
    _show([each for ingest in done for each in ingest.shown], total.quarantined)
    return 1 if strict and total.quarantined else 0


def _open(path: Path, machine: str) -> FileSource:
    try:
        if machine and path.suffix.lower() != ".shdr":
            note(f"{path}: --machine is for .shdr files; every line of an events file names its own machine")
        with path.open("rb"):
            return open_file(path, machine)
    except OSError as error:
        raise InvalidSettings(f"{path}: expected a file that can be read, got: {error.strerror}") from None


def _show(refused: Sequence[Rejected], count: int) -> None:
    for each in refused[:3]:
        note(f"quarantined: {each.where}: {each.reason}")
    if count > len(refused[:3]):
        note(f"… and {count - len(refused[:3])} more; `tailrace export` shows them as ingest.quarantined")


async def _import(sources: Sequence[FileSource], directory: Path, signals: Signals) -> list[Ingest]:
    while True:
        try:
            with compose.own(directory):
                return await _as_owner(sources, directory, signals)
        except Owned as owned:
            through = await _through_owner(sources, directory, signals)
            if through is not None:
                return through
            note(f"{owned}; waiting for it")
            await _until_free(directory)


async def _as_owner(sources: Sequence[FileSource], directory: Path, signals: Signals) -> list[Ingest]:
    kafka_folder.require_none(directory)
    log = compose.SqliteLog(directory / compose.EVENTS_FILE)
    try:
        done = await _carry(sources, log, signals)
    finally:
        await log.close()
    with compose.pipeline(directory) as pipeline:
        pipeline.drain()
        pipeline.checkpoint()
    return done


async def _through_owner(sources: Sequence[FileSource], directory: Path, signals: Signals) -> list[Ingest] | None:
    """The files through the process that owns the folder; None where that does not listen (another import)."""
    if not compose.listens(directory):
        return None
    async with _patient(directory) as log:
        done = await _carry(sources, log, signals)
        await _until_folded(log, directory, max(ingest.last for ingest in done))
        return done


async def _carry(sources: Sequence[FileSource], log: Log, signals: Signals) -> list[Ingest]:
    done = []
    with progress() as bar:
        for source in sources:
            task = bar.add_task(source.name.removeprefix("file:"), total=source.size)
            ingest = Ingest(source, log, clock=time.time_ns, token=secrets.token_hex(8), signals=signals, live=False)
            carrying = asyncio.ensure_future(ingest.run())
            trouble = _Trouble(source.name)
            while not (await asyncio.wait([carrying], timeout=0.1))[0]:
                bar.update(task, completed=source.done)
                if trouble.lasts(ingest.trouble):
                    carrying.cancel()
                    await asyncio.wait([carrying])
                    raise Unavailable(f"{ingest.trouble}; what is in the log stays, import again to go on")
            bar.update(task, completed=source.size)
            carrying.result()
            done.append(ingest)
    return done


class _Trouble:
    """What keeps a file from getting into the log: said once, and given up after a while."""

    def __init__(self, name: str) -> None:
        self._name = name.removeprefix("file:")
        self._said = ""
        self._since = 0.0

    def lasts(self, trouble: str) -> bool:
        """Whether it has been there for AWAY_S."""
        if not trouble:
            self._said = ""
            return False
        if not self._said:
            note(f"{self._name}: waiting: {trouble}")
            self._said, self._since = trouble, time.monotonic()
        return time.monotonic() - self._since > AWAY_S


async def _until_folded(log: compose.SocketLog, directory: Path, position: int) -> None:
    """Returns when the rows have what was appended; folds it here where the owner has gone."""
    while await _reached(directory) < position:
        await asyncio.sleep(POLL_S)
        if compose.owner_of(directory) is None:
            with contextlib.suppress(Owned), compose.own(directory), compose.pipeline(directory) as pipeline:
                pipeline.drain()
            continue
        trouble = (await log.status()).get("troubles", {}).get("fold")
        if trouble:
            raise Unavailable(f"everything is in the log, and not folded yet: {trouble}")


async def _reached(directory: Path) -> int:
    with compose.read_store(directory) as connection:
        found = connection.execute("SELECT position FROM checkpoint WHERE projection = ?", (PLACE,)).fetchone()
        return int(found[0]) if found else 0


async def _until_free(directory: Path) -> None:
    while compose.owner_of(directory) is not None and not compose.listens(directory):  # noqa: ASYNC110
        await asyncio.sleep(10 * POLL_S)


@asynccontextmanager
async def _patient(directory: Path) -> AsyncIterator[_Patient]:
    log = _Patient(directory)
    try:
        yield log
    finally:
        await log.close()


class _Patient(compose.SocketLog):
    """A log through an owner that may be restarted meanwhile."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._away: float | None = None

    async def append(self, records: Sequence[Record]) -> Receipt:
        try:
            receipt = await super().append(records)
        except SendFailed:
            raise
        except Unavailable as error:
            self._away = self._away or time.monotonic()
            if time.monotonic() - self._away > AWAY_S:
                raise
            raise SendFailed(str(error)) from None
        self._away = None
        return receipt
