"""Ports that fail in every way that the design allows, driven by hand: each call hands control back before, between and after
its effects, so a schedule may put another actor there, or end the caller.

What can happen
    an append, a save or a commit fails before, in the middle of or after its effect, or lands later, told as failed
    a caller dies anywhere; what it had under way may still land
    the power goes: every caller dies, what was under way is gone, the logs lose their ends; checkpoints live elsewhere and stay
What cannot
    an acknowledged record is lost while its writer, or an append of another writer, is still alive (law 14)
    an output that a reader took survives the record that caused it
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from random import Random
from typing import Literal

import msgspec

from model_tally import KEYS, values
from tailrace.engine.checkpoints import Manifest
from tailrace.engine.log import Receipt
from tailrace.engine.projection import Part
from tailrace.engine.store import Change, Place
from tailrace.schemas import codec
from tailrace.schemas.errors import SendFailed, StaleWriter
from tailrace.schemas.event import ParkingReleased
from tailrace.schemas.instant import Instant
from tailrace.schemas.record import Derived, Record


class _Pause:
    """`await PAUSE` hands control to the schedule once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


PAUSE = _Pause()


class Chance:
    """The dice of a schedule; without trouble nothing fails by itself."""

    def __init__(self, seed: int) -> None:
        self.roll: Callable[[], float] = Random(seed).random
        self.trouble = self.below(3) * 0.15
        self.power_fails = (0.0, 0.03, 0.10)[self.below(3)]

    def below(self, n: int) -> int:
        return int(self.roll() * n)

    def fails(self) -> bool:
        return self.trouble > 0 and self.roll() < self.trouble


class Events:
    """The `events` log: producers append outside the schedule, workers read."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.records: list[Record] = []
        self._made = 0
        self._newest: dict[str, Record] = {}
        self._dreamt: list[str] = []

    def produce(self) -> None:
        """Appends a record: also one that came before, shows every key's state, cannot be folded, or releases such a one."""
        roll, key = self._chance.roll(), KEYS[int(self._chance.roll() ** 2 * len(KEYS))]
        if roll < 0.08:
            self.put("show", "", 0)
        elif roll > 0.96:
            self._dreamt.append(self.put("dreamt", key, 0).id)
        elif roll > 0.9 and self._dreamt:
            self._release(self._dreamt[self._chance.below(len(self._dreamt))])
        elif roll < 0.2 and key in self._newest:
            again = self._newest[key]
            self.put(again.source, key, again.first_seq)
        else:
            kind = ("quiet", "revise", "count", "count", "count")[self._chance.below(5)]
            self._newest[key] = self.put(kind, key, self._made + 1)

    def put(self, kind: str, key: str, seq: int) -> Record:
        self._made += 1
        record = Record(
            type="state.dreamt" if kind == "dreamt" else "telemetry", source=kind, machine=key, first_seq=seq,
            t_min=self._chance.below(1000), payload=b"",
            id=f"e{self._made}", ingested=self._made, position=len(self.records) + 1,
        )  # fmt: skip
        self.records.append(record)
        return record

    def _release(self, parked: str) -> None:
        self._made += 1
        said = ParkingReleased(t=Instant(0), id=f"e{self._made}", parked=parked, action="skip", ingested=Instant(0))
        self.records.append(msgspec.structs.replace(codec.record_of(said), position=len(self.records) + 1))

    async def read(self, after: int, limit: int) -> Sequence[Record]:
        await PAUSE
        found = self.records[after : after + limit]
        if self._chance.roll() < 0.2:
            await PAUSE
        return found

    async def end(self) -> int:
        return len(self.records)

    async def append(self, records: Sequence[Record]) -> Receipt:
        raise NotImplementedError

    def follow(self, after: int, limit: int) -> AsyncIterator[Sequence[Record]]:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class DerivedEvents:
    """The `derived` log; `under_way` holds appends whose rest may land later, or never."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.records: list[Derived] = []
        self.under_way: list[list[Derived]] = []

    async def append(self, records: Sequence[Derived]) -> int:
        chance, rest = self._chance, list(records)
        fails = chance.fails()
        stored = chance.below(len(rest) + 1) if fails else len(rest)
        try:
            await PAUSE
            for _ in range(stored):
                self._store(rest.pop(0))
                if rest and chance.roll() < 0.5:
                    await PAUSE
            position = len(self.records)
            if chance.roll() < 0.5:
                await PAUSE
        except GeneratorExit:
            self.under_way.append(rest)
            raise
        if fails:
            self.under_way.append(rest)
            raise SendFailed("derived: the append was not acknowledged")
        return position

    def land(self) -> None:
        """One record of an append that was under way arrives, or all of the rest never will."""
        rest = self.under_way[i := self._chance.below(len(self.under_way))]
        if rest and self._chance.roll() < 0.8:
            self._store(rest.pop(0))
        if not rest or self._chance.roll() < 0.2:
            del self.under_way[i]

    def _store(self, record: Derived) -> None:
        self.records.append(msgspec.structs.replace(record, position=len(self.records) + 1))

    async def read(self, after: int, limit: int) -> Sequence[Derived]:
        await PAUSE
        return self.records[after : after + limit]

    async def end(self) -> int:
        await PAUSE
        return len(self.records)


class Shelf:
    """Checkpoints: pages by (name, position), each write a step of its own, the two newest manifests kept."""

    KEPT = 2

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.kept: dict[int, Manifest] = {}
        self.pages: dict[str, dict[int, bytes]] = {}
        self.late: list[tuple[Manifest, Mapping[str, bytes]]] = []
        self._saves = 0

    async def save(self, manifest: Manifest, pages: Mapping[str, bytes]) -> None:
        chance, steps = self._chance, self._steps(manifest, pages)
        fails = chance.fails()
        if fails and chance.roll() < 0.3:
            self.late.append((manifest, pages))
            raise SendFailed("checkpoints: the save was not acknowledged")
        stops_at = chance.below(len(pages) + 3) if fails else -1
        await PAUSE
        for i in range(len(pages) + 2):
            if i == stops_at:
                break
            next(steps)
            if chance.roll() < 0.3:
                await PAUSE
        if fails:
            raise SendFailed("checkpoints: the save was not acknowledged")

    def land(self) -> None:
        """A save whose worker was told that it failed arrives as a whole."""
        manifest, pages = self.late.pop(self._chance.below(len(self.late)))
        try:
            for _ in self._steps(manifest, pages):
                pass
        except StaleWriter:
            pass

    def _steps(self, manifest: Manifest, pages: Mapping[str, bytes]) -> Generator[None, None, None]:
        self._require(manifest.base)
        self._rewind(manifest.base)
        self._saves = mine = self._saves + 1
        yield
        for name, page in pages.items():
            self._overtaken(mine)
            self._put(name, manifest.position, page)
            yield
        self._overtaken(mine)
        self.kept[manifest.position] = manifest
        self._prune()
        yield

    def _require(self, base: int) -> None:
        if base and base not in self.kept:
            raise StaleWriter("checkpoints: the base is gone")

    def _rewind(self, base: int) -> None:
        self.kept = {position: manifest for position, manifest in self.kept.items() if position <= base}
        for name, held in self.pages.items():
            self.pages[name] = {position: page for position, page in held.items() if position <= base}

    def _overtaken(self, mine: int) -> None:
        if mine != self._saves:
            raise StaleWriter("checkpoints: another save came in between")

    def _put(self, name: str, position: int, page: bytes) -> None:
        self.pages.setdefault(name, {})[position] = page

    def _prune(self) -> None:
        for position in sorted(self.kept)[: -self.KEPT]:
            del self.kept[position]
        for held in self.pages.values():
            holding = {self._newest(held, position) for position in self.kept}
            for position in [p for p in held if p not in holding and p < max(self.kept)]:
                del held[position]

    @staticmethod
    def _newest(held: Mapping[int, bytes], position: int) -> int:
        return max((p for p in held if p <= position), default=0)

    async def manifests(self, topology: str, version: int) -> Sequence[Manifest]:
        await PAUSE
        return list(self.kept.values())

    def page(self, topology: str, version: int, name: str, position: int) -> bytes | None:
        if position not in self.kept:
            raise StaleWriter("checkpoints: the page is gone")
        held = self.pages.get(name, {})
        return held.get(self._newest(held, position))


class Taken:
    """The projection of the model: one row per event, so that nothing hides behind a newer value."""

    name = "taken"
    reads: Literal["derived"] = "derived"

    def wants(self, record: Derived) -> bool:
        return record.kind == "tallied"

    def changes(self, parts: Sequence[Part[Derived]]) -> Sequence[Change]:
        rows = [
            {"key": record.key, "n": record.first_n + i, "value": value}
            for record, skip in parts
            for i, value in enumerate(values(record))
            if i >= skip
        ]
        return [Change("taken", rows)]


class Rows:
    """The store of the reader: what it was given, in order, and the place that stood after each commit."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.rows: list[tuple[str, int, int]] = []
        self.places: list[tuple[Place, int]] = [(Place(), 0)]

    async def commit(self, projection: str, expected: Place, changes: Sequence[Change], reached: Place) -> None:
        await PAUSE
        if self.places[-1][0] != expected:
            raise StaleWriter("rows: another projector was faster")
        fails, stored = self._chance.fails(), self._chance.roll() < 0.5
        if stored or not fails:
            self.rows += [(row["key"], row["n"], row["value"]) for change in changes for row in change.upsert]
            self.places.append((reached, len(self.rows)))
        if fails:
            raise SendFailed("rows: the commit was not acknowledged")
        await PAUSE

    async def place(self, projection: str) -> Place:
        await PAUSE
        return self.places[-1][0]

    def rewind(self, end: int) -> None:
        """Goes back to the newest place that a shortened log still reaches, for rows and `derived` are one file."""
        while self.places[-1][0].position > end:
            self.places.pop()
        del self.rows[self.places[-1][1] :]
