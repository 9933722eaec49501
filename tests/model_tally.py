"""The topology of the model test: small, but with everything that makes an engine's mistakes visible.

A key's page holds a running number that every accepted record changes, in an order-dependent way: a record folded twice, missed
or out of turn shows in every later output. Pages leave memory at each checkpoint. A key may be silent for long; a record may
emit several outputs for a key, or for every key; a bucket is emitted again when it changes; records come twice; some cannot be
folded, and those behind them wait until they are skipped.
What a batch emits is grouped by key and framed, so the order across keys and the cut of frames differ from worker to worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tailrace.engine.topology import Load
from tailrace.schemas import codec
from tailrace.schemas.record import Derived, Record

KEYS = ("a", "b", "c", "d")
WIDTH = 4
MODULUS = 2_147_483_629
Found = dict[str, list[tuple[int, int]]]
"""Per key, the cause and the value of each output."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int]).decode


class Tally:
    """`frame`: at most so many events in a derived record."""

    name = "tally"
    version = 1

    def __init__(self, frame: int = 1) -> None:
        self.frame = frame

    def restore(self, marks: Mapping[str, int], load: Load) -> TallyState:
        return TallyState(marks, load, self.frame)


class TallyState:
    """A page per key: [running number, records accepted, newest sequence, bucket]."""

    def __init__(self, marks: Mapping[str, int], load: Load, frame: int) -> None:
        self.marks = dict(marks)
        self._load, self._frame = load, frame
        self._pages: dict[str, list[int]] = {}
        self._dirty: dict[str, list[int]] = {}

    def fold(self, records: Sequence[Record]) -> list[Derived]:
        found: Found = {}
        for record in records:
            if record.source == "show":
                for key in KEYS:
                    self._emit(found, key, record.position, self._accept(key, record))
            elif self._fresh(record):
                page = self._accept(record.machine, record)
                if record.source == "count" and page[1] % 3 == 0:
                    page[3] = page[0]
                    for i in range(page[1] % 4):
                        self._emit(found, record.machine, record.position, page, i)
                elif record.source == "revise" and page[3]:
                    page[3] += 1
                    self._emit(found, record.machine, record.position, page)
        return [derived for key, events in found.items() for derived in self._framed(key, events)]

    def dirty(self) -> dict[str, bytes]:
        pages = {key: _encode(page) for key, page in self._dirty.items()}
        self._dirty.clear()
        self._pages.clear()
        return pages

    def _page(self, key: str) -> list[int]:
        page = self._pages.get(key)
        if page is None:
            stored = self._load(key)
            page = self._pages[key] = _decode(stored) if stored else [0, 0, 0, 0]
        return page

    def _fresh(self, record: Record) -> bool:
        return record.first_seq > self._page(record.machine)[2]

    def _accept(self, key: str, record: Record) -> list[int]:
        page = self._dirty[key] = self._page(key)
        page[0] = (page[0] * 31 + record.t_min) % MODULUS
        page[1] += 1
        page[2] = max(page[2], record.first_seq)
        return page

    def _emit(self, found: Found, key: str, cause: int, page: list[int], i: int = 0) -> None:
        found.setdefault(key, []).append((cause, (page[0] + page[3] + 7 * i) % MODULUS))

    def _framed(self, key: str, events: list[tuple[int, int]]) -> list[Derived]:
        framed = []
        for start in range(0, len(events), self._frame):
            part = events[start : start + self._frame]
            first_n = self.marks.get(key, 0) + 1
            self.marks[key] = first_n + len(part) - 1
            framed.append(
                Derived(
                    topology="tally", version=1, key=key, first_n=first_n, n=len(part), kind="tallied",
                    cause=part[-1][0], body=b"".join(value.to_bytes(WIDTH, "big") for _, value in part),
                )
            )  # fmt: skip
        return framed


def values(record: Derived) -> list[int]:
    """The value of each event inside."""
    return [int.from_bytes(record.body[i : i + WIDTH], "big") for i in range(0, len(record.body), WIDTH)]


def reference(log: Sequence[Record]) -> dict[str, list[int]]:
    """What a reader must get, per key: one undisturbed pass over the whole log."""
    found: dict[str, list[int]] = {}
    for record in TallyState({}, lambda _: None, 1).fold(_freed(log)):
        found.setdefault(record.key, []).extend(values(record))
    return found


def _freed(log: Sequence[Record]) -> list[Record]:
    """The records that are folded, in their order: what waits behind a dreamt one comes where that one is skipped."""
    free: list[Record] = []
    queues: dict[str, list[Record]] = {}
    for record in log:
        if record.type == "parking.released":
            (said,) = codec.events_of(record)
            opened = [key for key, queue in queues.items() if queue[0].id == said.parked]  # type: ignore[union-attr]
            waiting = [each for key in opened for each in queues.pop(key)[1:]]
        else:
            waiting = [record]
        for each in waiting:
            if each.machine in queues:
                queues[each.machine].append(each)
            elif each.type == "state.dreamt":
                queues[each.machine] = [each]
            else:
                free.append(each)
    return free
