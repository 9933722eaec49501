"""The engine with one mistake each, as somebody might well write it. The model test has to find every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from model_ports import Shelf
from model_schedule import Engine
from tailrace.engine.checkpoints import Manifest
from tailrace.engine.parking import Lot
from tailrace.engine.projector import Projector
from tailrace.engine.reader import Reader, stream
from tailrace.engine.restore import Restore, Tenancy
from tailrace.engine.store import Place
from tailrace.engine.worker import Worker
from tailrace.schemas.errors import SendFailed
from tailrace.schemas.record import Derived, Record


def restoring(restore: type[Restore]) -> type[Worker]:
    """A worker that restores in another way."""

    class Restoring(Worker):
        def __init__(self, *ports: Any, batch: int, checkpoint_every: int) -> None:
            super().__init__(*ports, batch=batch, checkpoint_every=checkpoint_every)
            self._restore = restore(*ports)

    return Restoring


class SilentByPosition(Worker):
    """After a restore, says nothing about records up to the last one that has an output in `derived`."""

    async def _enter(self) -> Tenancy:
        begins = self._tenancy is None
        tenancy = await super()._enter()
        if begins:
            self._silent_to = max((r.cause for r in await self._derived.read(0, 10_000) if r.n), default=0)
        return tenancy

    def _unsent(self, tenancy: Tenancy, outputs: Sequence[Derived]) -> Sequence[Derived]:
        tenancy.sent.update((output.key, output.last_n) for output in outputs)
        return [output for output in outputs if output.cause > self._silent_to]


class MarkByPosition(Projector[Derived]):
    """Knows what it took by the position of the cause."""

    def _reader(self, place: Place) -> Reader:
        return _PositionReader(place.marks, "mutant")


class _PositionReader(Reader):
    def take(self, record: Derived) -> int:
        name = stream(record)
        if record.cause <= self.marks.get(name, 0):
            return record.n
        self.marks[name] = record.cause
        return 0


class CheckpointBeforeAck(Worker):
    """Makes the checkpoint first and sends afterwards."""

    async def _advance(self, tenancy: Tenancy, records: Sequence[Record]) -> None:
        unsent = self._unsent(tenancy, self._fold(tenancy, records))
        tenancy.folded(records[-1])
        if tenancy.position - tenancy.base.position >= self._checkpoint_every:
            await self._checkpoint(tenancy)
        await self._send(unsent)


class PagesInPlace(Shelf):
    """Has one page per name, whatever the position."""

    def _put(self, name: str, position: int, page: bytes) -> None:
        self.pages[name] = {0: page}

    def page(self, topology: str, version: int, name: str, position: int) -> bytes | None:
        return self.pages.get(name, {}).get(0)


class GoesOnAfterFailure(Worker):
    """Takes a failed send as lost and sends what comes next."""

    async def _send(self, outputs: Sequence[Derived]) -> None:
        with suppress(SendFailed):
            await super()._send(outputs)


class AnyDerived(Restore):
    """Takes the newest checkpoint without asking whether `derived` has what it stands for."""

    async def _in_derived(self, manifest: Manifest) -> bool:
        return True


class AnyLog(Restore):
    """Takes the newest checkpoint without asking whether the log's record is the same."""

    async def _in_events(self, manifest: Manifest) -> bool:
        return True


class ForgetsParked(Restore):
    """Begins with no stream parked."""

    async def tenancy(self) -> Tenancy:
        tenancy = await super().tenancy()
        tenancy.lot = Lot(self._topology, None)
        return tenancy


class FoldsBacklogAtOnce(Worker):
    """Lets what waits go on with the next record of its machine, without a release."""

    async def _outputs(self, tenancy: Tenancy, records: Sequence[Record]) -> Sequence[Derived]:
        for machine in [machine for machine, parked in tenancy.lot.parked.items() if parked.waiting > 1]:
            tenancy.lot._page.parked.pop(machine)
        return await super()._outputs(tenancy, records)


class AbsentPageIsEmpty(Shelf):
    """Tells a stale worker that there is no such page."""

    def page(self, topology: str, version: int, name: str, position: int) -> bytes | None:
        held = self.pages.get(name, {})
        return held.get(self._newest(held, position))


class AnyBase(Shelf):
    """Takes a checkpoint whose base is gone."""

    def _require(self, base: int) -> None:
        return


class KeepsOtherLines(Shelf):
    """Leaves what was stored after the base."""

    def _rewind(self, base: int) -> None:
        return


FAULTS: Mapping[str, Engine] = {
    "silent by position": Engine(worker=SilentByPosition),
    "mark by position": Engine(projector=MarkByPosition),
    "checkpoint before ack": Engine(worker=CheckpointBeforeAck),
    "pages in place": Engine(shelf=PagesInPlace),
    "goes on after a failed send": Engine(worker=GoesOnAfterFailure),
    "marks not compared": Engine(worker=restoring(AnyDerived)),
    "record hash not compared": Engine(worker=restoring(AnyLog)),
    "parked streams forgotten": Engine(worker=restoring(ForgetsParked)),
    "parked streams not kept": Engine(worker=FoldsBacklogAtOnce),
    "absent page is empty": Engine(shelf=AbsentPageIsEmpty),
    "any base": Engine(shelf=AnyBase),
    "keeps other lines": Engine(shelf=KeepsOtherLines),
}
