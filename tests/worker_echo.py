"""A topology whose outputs tell what was folded: each event comes back as a running count of its machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.connectors.memory import MemoryCheckpoints, MemoryDerivedLog, MemoryLog
from tailrace.engine.topology import Load
from tailrace.engine.worker import Worker
from tailrace.schemas.record import Derived, Record


class Echo:
    """`folded` has the positions of everything that any state of this topology was given. An id `bad…` cannot be folded."""

    name = "echo"
    version = 1

    def __init__(self) -> None:
        self.folded: list[int] = []

    def restore(self, marks: Mapping[str, int], load: Load) -> EchoState:
        return EchoState(self, marks, load)


class EchoState:
    """One page per machine: how many of its records were folded. It leaves memory at each checkpoint."""

    def __init__(self, topology: Echo, marks: Mapping[str, int], load: Load) -> None:
        self.marks = dict(marks)
        self._topology, self._load = topology, load
        self._counts: dict[str, int] = {}

    def fold(self, records: Sequence[Record]) -> list[Derived]:
        return [self._echo(record) for record in records]

    def dirty(self) -> dict[str, bytes]:
        pages = {machine: b"%d" % count for machine, count in self._counts.items()}
        self._counts.clear()
        return pages

    def _echo(self, record: Record) -> Derived:
        machine = record.machine
        if machine not in self._counts:
            self._counts[machine] = int(self._load(machine) or b"0")
        self._counts[machine] += 1
        if record.id.startswith("bad"):
            raise ValueError("no such state")
        self._topology.folded.append(record.position)
        self.marks[machine] = self.marks.get(machine, 0) + 1
        return Derived(
            topology="echo", version=1, key=machine, first_n=self.marks[machine], kind="echoed", cause=record.position,
            body=b"%s %d" % (record.id.encode(), self._counts[machine]),
        )  # fmt: skip


class Plant:
    """Logs and checkpoints in memory, and workers on them."""

    def __init__(self) -> None:
        self.events, self.derived, self.checkpoints = MemoryLog(), MemoryDerivedLog(), MemoryCheckpoints()
        self.topology = Echo()

    def worker(self, batch: int = 4, checkpoint_every: int = 1000) -> Worker:
        return Worker(
            self.topology, self.events, self.derived, self.checkpoints, batch=batch, checkpoint_every=checkpoint_every
        )

    async def echoed(self) -> list[str]:
        """Every output in `derived`, as it stands there."""
        return [record.body.decode() for record in await self.derived.read(0, 10_000) if record.n]

    async def seals(self) -> list[int]:
        """The positions that seals in `derived` speak of."""
        return [record.cause for record in await self.derived.read(0, 10_000) if not record.n]
