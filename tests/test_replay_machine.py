"""A folder through everything that may happen to it, in any order: its rows are what its log says, to the byte, all the way.

Rules of the machine: records come in any cut, again, and out of turn; steps have any size and are torn; workers die with and
without a checkpoint; rows, or checkpoints alone, are deleted; the log moves into the archive; records that no fold can take come,
and releases of them. At the end the log is folded again from nothing, and every read model has the same digest.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import replay_plant
from parking_picky import release
from tailrace.app import compose, replay
from tailrace.app.archive import archive
from tailrace.app.audit import audit
from tailrace.schemas.record import Record

FOREVER = 2**62
BATCHES = st.sampled_from((1, 9, 40, 500))


class Torn(Exception):
    """The process is gone in the middle of a step."""


class Folder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="tailrace-machine-"))
        self.expected = 0
        self.known: list[Record] = []
        self.waiting: list[Record] = []
        self.poisons: list[str] = []

    @initialize(seed=st.integers(0, 3))
    def begin(self, seed: int) -> None:
        self.waiting = replay_plant.records(random.Random(seed), 120)
        self._append(self._next(1))

    @rule(n=st.integers(1, 40))
    def grow(self, n: int) -> None:
        self._append(self._next(n))

    @rule(n=st.integers(2, 10))
    def grow_out_of_turn(self, n: int) -> None:
        self._append(self._next(n)[::-1])

    @rule(n=st.integers(1, 20))
    def come_again(self, n: int) -> None:
        self._append([*self.known[-n:], *self.known[:n]], new=0)

    @rule(machine=st.sampled_from(("OEE1", "ANO1", "")))
    def poison(self, machine: str) -> None:
        name = f"poison-{len(self.poisons)}"
        made = release(1, "", "retry", {}, machine)
        self._append([msgspec.structs.replace(made, type="state.dreamt", id=name)])
        self.poisons.append(name)

    @precondition(lambda self: self.poisons)
    @rule(which=st.integers(0, 5), action=st.sampled_from(("skip", "retry")))
    def decide(self, which: int, action: str) -> None:
        named = self.poisons[which % len(self.poisons)]
        self._append([msgspec.structs.replace(release(1, named, action, {}), id=f"release-{self.expected}")])

    @rule(batch=BATCHES, steps=st.integers(1, 6), saved=st.booleans())
    def fold(self, batch: int, steps: int, saved: bool) -> None:
        with compose.pipeline(self.directory, batch=batch) as pipeline:
            for _ in range(steps):
                pipeline.step()
            if saved:
                pipeline.checkpoint()

    @rule(batch=BATCHES)
    def die_in_a_step(self, batch: int) -> None:
        with compose.pipeline(self.directory, batch=batch) as pipeline:
            pipeline.step()

            async def torn() -> None:
                raise Torn

            pipeline._project = torn  # type: ignore[method-assign]
            try:
                pipeline.step()
            except Torn:
                return

    @rule()
    def lose_the_rows(self) -> None:
        for path in self.directory.glob("read.db*"):
            path.unlink()

    @rule()
    def lose_the_checkpoints(self) -> None:
        with compose.pipeline(self.directory), closing(sqlite3.connect(self.directory / "read.db")) as rows, rows:
            for table in ("checkpoint_manifest", "checkpoint_page"):
                rows.execute(f"DELETE FROM {table}")

    @rule()
    def move_into_the_archive(self) -> None:
        asyncio.run(archive(self.directory, FOREVER))

    def teardown(self) -> None:
        try:
            found = replay.verify(self.directory, batch=33)
            assert found.equal, found.first_differences
            assert found.position == self.expected, "the log has every record once"
            account = audit(self.directory)
            assert account.balanced, account.problems
        finally:
            shutil.rmtree(self.directory)

    def _next(self, n: int) -> list[Record]:
        some, self.waiting = self.waiting[:n], self.waiting[n:]
        self.known += some
        return some

    def _append(self, records: list[Record], new: int | None = None) -> None:
        asyncio.run(replay_plant.append(self.directory, records))
        self.expected += len(records) if new is None else new


Folder.TestCase.settings = settings(
    max_examples=50, stateful_step_count=25, derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck), print_blob=False,
)  # fmt: skip
TestFolder = Folder.TestCase
