"""The fold of bench/minutes.py with the package `eventsourcing`: an aggregate per machine, rebuilt from its events in SQLite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from minutes import Fold, Item, Minute, Totals, totals
from readings import said_in
from tailrace.schemas.record import Record


class Machine(Aggregate):
    """What was read, event by event; an event holds one item or many."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fold: Fold | None = None
        self.minutes: list[Minute] = []

    @staticmethod
    def create_id(name: str) -> UUID:
        return uuid5(NAMESPACE_URL, name)

    @event("Said")
    def say(self, items: list[Item]) -> None:
        fold = self.fold = self.fold or Fold(items[0][0])
        for t, said in items:
            closed = fold.take(t, said)
            if closed:
                self.minutes += closed


def contender(log: Sequence[Record], file: Path, *, framed: bool) -> Callable[[], Totals]:
    """Stores the events, an event for each frame or for each reading; gives what to time: rebuilding every machine."""
    app = Application(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(file)})
    machines = {name: Machine(name) for name in dict.fromkeys(record.machine for record in log)}
    for record in log:
        machine, found = machines[record.machine], said_in(record)
        for some in [found] if framed else [[item] for item in found]:
            if some:
                machine.say(some)
        app.save(machine)
    ids = [machine.id for machine in machines.values()]
    return lambda: totals(minute for each in ids for minute in app.repository.get(each).minutes)
