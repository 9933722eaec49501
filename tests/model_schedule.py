"""One random schedule of the engine: two workers and a reader over the same logs, interleaved, crashed and restarted anywhere.

At the end, after two records that make every key show its state, a reader of `derived` has got, per key, exactly what one
undisturbed pass over the log gives: nothing twice, nothing missing, nothing else, up to the last record, and no gap on the way.
The same seed is always the same schedule; `model_replay.py` tells one step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from model_ports import PAUSE, Chance, DerivedEvents, Events, Rows, Shelf, Taken
from model_tally import Tally, reference
from tailrace.engine.projector import Projector
from tailrace.engine.worker import Worker
from tailrace.schemas.errors import StaleWriter, TailraceError, Unavailable
from tailrace.schemas.record import Derived

Actor = Coroutine[None, None, None]
ACTORS = ("old worker", "new worker", "reader")
CALLS_MAX = 5_000
"""Far more than the end of any schedule takes."""


class Violation(Exception):
    """A reader did not get what the log says."""


@dataclass(frozen=True)
class Engine:
    """What is tried: the real parts, or one of them with a fault put in."""

    worker: type[Worker] = Worker
    projector: type[Projector[Derived]] = Projector
    shelf: type[Shelf] = Shelf


REAL = Engine()


async def _work(worker: Worker, until: int | None = None) -> None:
    """What a runner does: restore after each failure. Ends when it has folded up to a position, if given."""
    while until is None or worker.position < until:
        try:
            while await worker.step():
                pass
            if until is not None:
                await worker.checkpoint()
        except (Unavailable, StaleWriter):
            pass
        await PAUSE


async def _read(projector: Projector[Derived], until: int | None = None) -> None:
    while until is None or projector.position < until:
        try:
            while await projector.step():
                pass
        except Unavailable:
            pass
        await PAUSE


class Schedule:
    """The world of one seed. `tell` gets a line for everything that happens."""

    def __init__(self, seed: int, engine: Engine = REAL, tell: Callable[[str], None] = lambda _: None) -> None:
        self._engine, self._tell = engine, tell
        self._chance = chance = Chance(seed)
        self._events, self._derived = Events(chance), DerivedEvents(chance)
        self._shelf, self._rows = engine.shelf(chance), Rows(chance)
        self._actors: dict[str, Actor] = {}

    def run(self) -> None:
        """Raises Violation, or an error of the engine, unless the reader gets exactly the reference."""
        try:
            for _ in range(2 + self._chance.below(8)):
                self._events.produce()
            self._actors = {name: self._new(name) for name in ACTORS}
            for _ in range(10 + self._chance.below(30)):
                self._happen()
            self._end()
        finally:
            self._close()
        self._compare()

    def _happen(self) -> None:
        chance = self._chance
        roll, actor = chance.roll(), ACTORS[chance.below(len(ACTORS))]
        if roll < chance.power_fails:
            self._lose_power()
        elif roll < 0.75:
            self._drive(actor, 1 + int(chance.roll() ** 3 * 40))
        elif roll < 0.85:
            self._events.produce()
            self._tell(f"produced {self._events.records[-1].source} {self._events.records[-1].machine}")
        elif roll < 0.93:
            self._tell(f"{actor} dies")
            self._actors[actor].close()
            self._actors[actor] = self._new(actor)
        else:
            self._land()

    def _close(self) -> None:
        for actor in self._actors.values():
            actor.close()

    def _new(self, name: str) -> Actor:
        return _read(self._projector()) if name == "reader" else _work(self._worker())

    def _worker(self) -> Worker:
        below = self._chance.below
        return self._engine.worker(
            Tally(1 + below(3)), self._events, self._derived, self._shelf, batch=1 + below(5), checkpoint_every=1 + below(6)
        )  # fmt: skip

    def _projector(self) -> Projector[Derived]:
        return self._engine.projector(self._rows, Taken(), self._derived, batch=1 + self._chance.below(4))

    def _drive(self, name: str, calls: int) -> None:
        before, actor = len(self._derived.records), self._actors[name]
        for _ in range(calls):
            actor.send(None)
        self._tell(f"{name} runs {calls} calls: {self._stands(before)}")

    def _land(self) -> None:
        before = len(self._derived.records)
        if self._derived.under_way:
            self._derived.land()
        if self._shelf.late:
            self._shelf.land()
        self._tell(f"what was under way lands: {self._stands(before)}")

    def _lose_power(self) -> None:
        self._close()
        self._derived.under_way.clear()
        self._shelf.late.clear()
        derived, events, chance = self._derived.records, self._events.records, self._chance
        if chance.roll() < 0.6:
            del derived[chance.below(len(derived) + 1) :]
            self._rows.rewind(len(derived))
        if chance.roll() < 0.5:
            caused = max((record.cause for record in derived if record.n), default=0)
            del events[caused + chance.below(len(events) + 1 - caused) :]
        self._actors = {name: self._new(name) for name in ACTORS}
        self._tell(f"power lost; events end at {len(events)}, derived at {len(derived)}")

    def _end(self) -> None:
        """No trouble any more: twice a record that shows every state and a fresh worker beside the old ones, then a reader."""
        self._chance.trouble = 0
        while self._derived.under_way or self._shelf.late:
            self._land()
        for _ in range(2):
            self._events.put("show", "", 0)
            self._finish("last worker", _work(self._worker(), len(self._events.records)))
        self._finish("last reader", _read(self._projector(), len(self._derived.records)))

    def _finish(self, name: str, last: Actor) -> None:
        before, beside = len(self._derived.records), self._actors[ACTORS[self._chance.below(2)]]
        self._actors[name] = last
        for _ in range(CALLS_MAX):
            try:
                last.send(None)
            except StopIteration:
                self._tell(f"{name} is done: {self._stands(before)}")
                return
            if self._chance.roll() < 0.1:
                beside.send(None)
        raise Violation(f"{name} does not come to an end")

    def _compare(self) -> None:
        got: dict[str, list[int]] = {}
        for key, n, value in self._rows.rows:
            found = got.setdefault(key, [])
            found.append(value)
            if n != len(found):
                raise Violation(f"key {key}: expected n={len(found)}, got n={n}")
        expected = reference(self._events.records)
        if got != expected:
            raise Violation(f"expected {expected}, got {got}")

    def _stands(self, before: int) -> str:
        new = [
            f"{r.kind} to {r.cause}" if not r.n else f"{r.key}{r.first_n}..{r.last_n}"
            for r in self._derived.records[before:]
        ]
        return f"derived + {new}; checkpoints {sorted(self._shelf.kept)}; reader at {self._rows.places[-1][0].position}"


def failure(seed: int, engine: Engine = REAL, tell: Callable[[str], None] = lambda _: None) -> str:
    """What goes wrong in a schedule, or nothing."""
    try:
        Schedule(seed, engine, tell).run()
    except (Violation, TailraceError) as error:
        return f"seed {seed}: {type(error).__name__}: {error}"
    return ""
