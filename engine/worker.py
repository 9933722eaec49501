"""The worker: folds the log and writes down what it found, each output once for a reader, whatever fails.

Rules
1. A tenancy is what a worker holds between a restore (engine/restore.py) and the first failure. Whatever fails ends it: nothing
   more is sent, the state is dropped, the next call restores. Sending on after a lost output would leave a gap.
2. An output is sent when its n is above what is known to be in `derived` for its key; a position never decides that.
3. A checkpoint follows the acknowledgement of every output up to it. None is made while outputs found in `derived` are ahead
   of the state: a restore from there would not see them and send them again.
4. Where repeats reach the log, what came before is left out first (engine/first.py): everything below is about what is new.
5. A record that cannot be folded parks its machine's stream (engine/parking.py). A fold that raised leaves a state that nobody
   can trust; so the worker begins anew where it stood, finds the record by halving, and does without it. Which records those
   are is remembered only to save time: the same fold raises again.
6. Only ports are awaited, and nothing here commits by itself: a step may be part of a caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tailrace.engine.checkpoints import Checkpoints, Manifest
from tailrace.engine.first import Begin, part
from tailrace.engine.log import DerivedLog, Log
from tailrace.engine.parking import RELEASE, patched, release_of, wrong
from tailrace.engine.reader import require_next
from tailrace.engine.restore import Restore, Tenancy, record_hash, seal
from tailrace.engine.topology import Topology
from tailrace.schemas.errors import InvalidEvent, SequenceGap, StaleWriter, Unavailable, Unfoldable
from tailrace.schemas.event import ParkingReleased
from tailrace.schemas.record import Derived, Record

OUTPUT_MAX = 256 * 1024
"""Bytes in the body of a derived record; a topology splits what is longer, by rule."""


class Worker:
    """Runs one topology: `batch` records are folded at once, a checkpoint is due every `checkpoint_every` records.

    first: the stage that drops repeats, where the log does not.
    """

    def __init__(
        self, topology: Topology, events: Log, derived: DerivedLog, checkpoints: Checkpoints, *,
        first: Begin | None = None, batch: int = 500, checkpoint_every: int = 10_000,
    ) -> None:  # fmt: skip
        self._topology, self._events, self._derived, self._checkpoints = topology, events, derived, checkpoints
        self._batch, self._checkpoint_every = batch, checkpoint_every
        self._name = f"{topology.name}@{topology.version}"
        self._restore = Restore(topology, events, derived, checkpoints, first)
        self._tenancy: Tenancy | None = None
        self._unfoldable: dict[tuple[int, int], str] = {}

    @property
    def position(self) -> int:
        """The last record whose outputs are all acknowledged; 0 outside a tenancy."""
        return self._tenancy.position if self._tenancy else 0

    async def restore(self) -> int:
        """Begins a tenancy unless there is one; gives its position."""
        self._tenancy = await self._enter()
        return self.position

    async def step(self, until: int | None = None) -> int:
        """Folds the next batch, never beyond `until`; gives how many records, 0 at the end of the log."""
        tenancy = await self._enter()
        limit = self._batch if until is None else min(self._batch, until - tenancy.position)
        records = await self._events.read(tenancy.position, limit) if limit > 0 else ()
        self._tenancy = await self._take(tenancy, records) if records else tenancy
        return len(records)

    async def drain(self, until: int | None = None) -> int:
        """Folds to the end of the log, or to `until`; gives the position reached."""
        while await self.step(until):
            pass
        return self.position

    async def follow(self) -> None:
        """Folds what is there and what comes, until something fails; that is raised, and calling again restores.

        After Unavailable or StaleWriter it is worth calling again, after a pause that the caller chooses.
        """
        position = await self.restore()
        async for records in self._events.follow(position, self._batch):
            await self.take(records)

    async def take(self, records: Sequence[Record]) -> None:
        """Folds records that the caller has read; they must come right after `position`."""
        tenancy = await self._enter()
        while records and tenancy.position < records[-1].position:
            tenancy = await self._take(tenancy, records)
            records = [record for record in records if record.position > tenancy.position]
        self._tenancy = tenancy

    async def checkpoint(self) -> None:
        """Makes a checkpoint now, so that the next restore has little to fold."""
        tenancy = await self._enter()
        await self._checkpoint(tenancy)
        self._tenancy = tenancy

    def abandon(self) -> None:
        """Ends the tenancy; to be called when the transaction around a step was rolled back."""
        self._tenancy = None

    # A call takes the tenancy out and puts it back when all went well, so that no failure leaves one behind.

    async def _enter(self) -> Tenancy:
        tenancy, self._tenancy = self._tenancy, None
        return tenancy or await self._restore.tenancy()

    async def _take(self, tenancy: Tenancy, records: Sequence[Record]) -> Tenancy:
        """Folds the records, or some of them where one makes the fold raise."""
        stood, size = tenancy.position, len(records)
        while True:
            try:
                await self._advance(tenancy, records[:size])
            except _Refused as refused:
                tenancy = await self._reach(stood)
                await self._checkpoint(tenancy)
                if tenancy.position > stood:
                    return tenancy
                if refused.place is not None:
                    self._unfoldable[refused.place] = str(refused)
                else:
                    size //= 2
            else:
                return tenancy

    async def _reach(self, position: int) -> Tenancy:
        """A new tenancy at a position that was reached before: a fold that failed leaves a state that nobody can trust."""
        tenancy = await self._restore.tenancy()
        while tenancy.position < position:
            limit = min(self._batch, position - tenancy.position)
            tenancy = await self._take(tenancy, await self._events.read(tenancy.position, limit))
        return tenancy

    async def _advance(self, tenancy: Tenancy, records: Sequence[Record]) -> None:
        require_next(records, tenancy.position, self._name)
        await self._send(self._unsent(tenancy, await self._outputs(tenancy, records)))
        tenancy.folded(records[-1])
        if tenancy.lot.changed or tenancy.position - tenancy.base.position >= self._checkpoint_every:
            await self._checkpoint(tenancy)

    async def _outputs(self, tenancy: Tenancy, records: Sequence[Record]) -> Sequence[Derived]:
        """What the records cause: those that go into the fold together, and around them what waits or waited."""
        lot = tenancy.lot
        outputs: list[Derived] = []
        free: list[Record] = []
        for arrived in records:
            keep = tenancy.keep(arrived)
            record = arrived if keep is None else part(arrived, keep)
            if record is None:
                lot.repeat(arrived)
                continue
            why = self._why(record, record.position)
            if not why and record.type == RELEASE:
                outputs += self._taken(tenancy, free)
                free = []
                outputs += await self._release(tenancy, record)
            elif why or record.machine in lot.parked:
                outputs += lot.hold(record, why, record.position, keep)
            else:
                free.append(record)
        return [*outputs, *self._taken(tenancy, free)]

    async def _release(self, tenancy: Tenancy, record: Record) -> Sequence[Derived]:
        """The backlog of the stream that a release is about, folded where the release stands."""
        lot, release = tenancy.lot, release_of(record)
        lot.take([record])
        parked = lot.named(release, copied=record.copy_of > 0)
        if parked is None:
            return []
        known = lot.known(parked)
        outputs = lot.open(parked, record.position)
        after = parked.position - 1
        while after < record.position - 1:
            some = await self._events.read(after, min(self._batch, record.position - 1 - after))
            require_next(some, after, self._name)
            for each in some:
                if each.machine == parked.machine and (each.type != RELEASE or wrong(each)):
                    named = release if each.position == parked.position else None
                    outputs += self._late(tenancy, each, known.keep(each), record, named)
            after = some[-1].position
        return outputs

    def _late(
        self, tenancy: Tenancy, waited: Record, keep: Sequence[bool] | None, at: Record, release: ParkingReleased | None
    ) -> Sequence[Derived]:
        """A record of a backlog, as far as it was new; release: what is to be done with it, where it is the parked one."""
        lot, record = tenancy.lot, part(waited, keep)
        if record is None:
            lot.repeat(waited)
            return []
        if release is not None and release.action == "skip":
            lot.skip(record)
            return []
        parts, why = [record], ""
        if release is not None and release.action == "patched":
            try:
                parts = patched(record, release.patch)
            except InvalidEvent as error:
                why = f"the patch of {at.id!r} is not taken: {error}"
        why = why or next(filter(None, (self._why(part, at.position) for part in parts)), "")
        if why or record.machine in lot.parked:
            return lot.hold(record, why, at.position, keep)
        lot.take([record])
        known = [msgspec.structs.replace(part, ingested=at.ingested) for part in parts]
        return [output for part in known for output in self._fold(tenancy, [part], at.position)]

    def _why(self, record: Record, at: int) -> str:
        """Why a record cannot be folded at a place of the log; empty where it can, as far as is known."""
        return wrong(record) or (self._unfoldable.get((record.position, at), "") if self._unfoldable else "")

    def _taken(self, tenancy: Tenancy, records: Sequence[Record]) -> Sequence[Derived]:
        tenancy.lot.take(records)
        return self._fold(tenancy, records)

    def _fold(self, tenancy: Tenancy, records: Sequence[Record], at: int | None = None) -> Sequence[Derived]:
        if not records:
            return ()
        try:
            return _bounded(tenancy.state.fold(records))
        except (StaleWriter, Unavailable, MemoryError, OSError):  # what is outside says nothing about the record
            raise
        except Exception as error:
            place = records[0].position
            raise _Refused(
                f"{type(error).__name__}: {error}", (place, at or place) if len(records) == 1 else None
            ) from error

    def _unsent(self, tenancy: Tenancy, outputs: Sequence[Derived]) -> Sequence[Derived]:
        unsent, sent = [], tenancy.sent
        for output in outputs:
            known = sent.get(output.key, 0)
            if output.first_n > known + 1:
                raise SequenceGap(
                    output.key, known + 1, output.first_n, f"{self._name}: output of position {output.cause}"
                )
            if output.last_n > known:
                sent[output.key] = output.last_n
                unsent.append(output)
        return unsent

    async def _send(self, outputs: Sequence[Derived]) -> None:
        if outputs:
            await self._derived.append(outputs)

    async def _checkpoint(self, tenancy: Tenancy) -> None:
        marks, last = tenancy.marks(), tenancy.last
        if last is None or last.position == tenancy.base.position or marks != tenancy.sent:
            return
        manifest = Manifest(
            topology=self._topology.name, version=self._topology.version, position=last.position,
            record_hash=record_hash(last), derived_end=await self._derived.append([seal(self._topology, last.position)]),
            marks=marks, base=tenancy.base.position,
        )  # fmt: skip
        await self._checkpoints.save(manifest, tenancy.pages())
        tenancy.base = manifest


class _Refused(Unfoldable):
    """A fold raised; place: position of the record and of the place at which it was folded, where it was one record."""

    def __init__(self, why: str, place: tuple[int, int] | None) -> None:
        super().__init__(why)
        self.place = place


def _bounded(outputs: Sequence[Derived]) -> Sequence[Derived]:
    longest = max((len(output.body) for output in outputs), default=0)
    if longest > OUTPUT_MAX:
        raise ValueError(f"expected outputs of at most {OUTPUT_MAX} bytes, got {longest}")
    return outputs
