"""A fold that refuses some records, and what parking has to make of any log, said the slow way.

Rules: the word `bad` cannot be folded until a record of the site says `fix`; `worse` never. What a machine says is the words that
were folded, each with how many came before it, so that a record folded twice, missed or out of turn shows in all that follow.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tailrace.engine.topology import Load
from tailrace.schemas import codec
from tailrace.schemas.event import ParkingReleased, StateChanged
from tailrace.schemas.instant import Instant
from tailrace.schemas.record import Derived, Record

MACHINES = ("M1", "M2", "M3")
WORDS = ("good", "good", "good", "good", "bad", "worse", "damaged", "newer", "foreign", "broken")
SITE = ("fix", "fine", "worse")


class Picky:
    """The topology."""

    name = "picky"
    version = 1

    def restore(self, marks: Mapping[str, int], load: Load) -> PickyState:
        return PickyState(marks, load)


class PickyState:
    """One page per machine: how many words were folded; one of the site: whether it was fixed."""

    def __init__(self, marks: Mapping[str, int], load: Load) -> None:
        self.marks = dict(marks)
        self._load = load
        self._counts: dict[str, int] = {}
        self._fixed = load("fixed") == b"1"

    def fold(self, records: Sequence[Record]) -> list[Derived]:
        return [self._take(record) for record in records]

    def dirty(self) -> dict[str, bytes]:
        pages = {f"count:{machine}": b"%d" % count for machine, count in self._counts.items()}
        self._counts.clear()
        return pages | {"fixed": b"1" if self._fixed else b"0"}

    def _take(self, record: Record) -> Derived:
        (said,) = codec.events_of(record)
        assert isinstance(said, StateChanged)
        machine = record.machine
        if machine not in self._counts:
            self._counts[machine] = int(self._load(f"count:{machine}") or b"0")
        self._counts[machine] += 1
        if said.state == "worse" or (said.state == "bad" and not self._fixed):
            raise ValueError(f"no {said.state} word")
        self._fixed = self._fixed or said.state == "fix"
        self.marks[machine] = self.marks.get(machine, 0) + 1
        return Derived(
            topology="picky", version=1, key=machine, first_n=self.marks[machine], kind="said", cause=record.position,
            body=f"{said.id}={said.state} {self._counts[machine]}".encode(),
        )  # fmt: skip


def state(number: int, machine: str, word: str) -> Record:
    """A record of a word; some words are a record that no fold can take."""
    event = StateChanged(
        machine=machine, t=Instant(number), id=f"e{number}", state=word, ingested=Instant(number)
    )  # fmt: skip
    record = codec.record_of(event)
    if word == "damaged":
        return msgspec.structs.replace(record, crc32=record.crc32 ^ 1)
    if word == "newer":
        return msgspec.structs.replace(record, version=2)
    if word == "foreign":
        return msgspec.structs.replace(record, type="state.dreamt")
    if word == "broken":
        other = codec.record_of(
            event.__class__(machine=machine, t=Instant(number), state="x", ingested=Instant(number))
        )
        payload = other.payload[:-1]
        return msgspec.structs.replace(record, payload=payload, crc32=zlib.crc32(payload))
    return record


def release(number: int, parked: str, action: str, patch: Mapping[str, object], machine: str = "") -> Record:
    event = ParkingReleased(
        machine=machine, t=Instant(number), id=f"e{number}", parked=parked, action=action, patch=dict(patch),  # type: ignore[arg-type]
        ingested=Instant(number),
    )  # fmt: skip
    return codec.record_of(event)


def log(rng: random.Random, size: int, *, by_position: bool = True) -> list[Record]:
    """Words and releases of whatever is parked, and of what is not, with positions; by_position: by which some are named."""
    made: list[Record] = []
    for number in range(1, size + 1):
        roll = rng.random()
        parked = [queue[0] for queue in reference(made)[1].values()]
        if roll < 0.25 and parked:
            made.append(_released(rng, number, rng.choice(parked), by_position))
        elif roll < 0.3:
            made.append(release(number, f"e{rng.randrange(1, size)}", "skip", {}))
        elif roll < 0.4:
            made.append(state(number, "", rng.choice(SITE)))
        else:
            made.append(state(number, rng.choice(MACHINES), rng.choice(WORDS)))
        made[-1] = msgspec.structs.replace(made[-1], position=number)
    return made


def _released(rng: random.Random, number: int, parked: Record, by_position: bool) -> Record:
    action = rng.choice(("retry", "skip", "patched", "patched"))
    whole = {"type": "state.changed", "machine": parked.machine, "t": 1}
    patch = rng.choice(
        ({"state": "good"}, {"state": "worse"}, whole | {"state": "good"}, whole | {"state": "bad"}, {"state": 3},
         {"machine": "M9"}, {"events": [whole | {"state": "good"}, whole | {"state": "good", "id": f"p{number}"}]})
    )  # fmt: skip
    named = rng.choice((parked.id, str(parked.position) if by_position else parked.id))
    return release(number, named, action, patch, rng.choice(("", parked.machine)))


Said = dict[str, list[str]]


def reference(records: Sequence[Record]) -> tuple[Said, dict[str, list[Record]]]:
    """What each machine says, and what waits, by a plain walk over the log."""
    said: Said = {}
    queues: dict[str, list[Record]] = {}
    fixed = False

    def take(record: Record, machine: str, words: Sequence[tuple[str, str]]) -> None:
        nonlocal fixed
        if machine in queues:
            queues[machine].append(record)
        elif not words or any(word == "worse" or (word == "bad" and not fixed) for _, word in words):
            queues[machine] = [record]
        else:
            for id_, word in words:
                mine = said.setdefault(machine, [])
                mine.append(f"{id_}={word} {len(mine) + 1}")
                fixed = fixed or word == "fix"

    for record in records:
        if record.type != "parking.released":
            take(record, record.machine, _words(record))
            continue
        (event,) = codec.events_of(record)
        assert isinstance(event, ParkingReleased)
        for machine in list(queues):
            head = queues[machine][0]
            if event.parked not in (head.id, str(head.position)) or event.machine not in ("", machine):
                continue
            head, *rest = queues.pop(machine)
            if event.action != "skip":
                take(head, machine, _words(head) if event.action == "retry" else _patched(head, event.patch))
            for each in rest:
                take(each, machine, _words(each))
            break
    return said, queues


def _words(record: Record) -> list[tuple[str, str]]:
    readable = record.intact() and record.version == 1 and record.type == "state.changed"
    try:
        return [(event.id, event.state) for event in codec.events_of(record)] if readable else []  # type: ignore[union-attr]
    except Exception:
        return []


def _patched(record: Record, patch: Mapping[str, object]) -> list[tuple[str, str]]:
    if not record.machine:  # no state without a machine
        return []
    if "events" in patch:
        first, second = msgspec.convert(patch["events"], list[dict[str, Any]])
        return [(record.id, first["state"]), (second["id"], second["state"])]
    whole = "t" in patch
    if patch.get("state") == 3 or patch.get("machine") == "M9" or not (whole or _words(record)):
        return []
    return [(record.id, str(patch["state"]))]
