"""From a source into the log: what came in is appended, known already, or quarantined, and only then acknowledged.

Rules: received = appended + duplicate + quarantined, in events, per source; what Tailrace writes itself (`event.OWN`) is in
none of them. appended can be counted in the log by envelope; after an append with duplicates or quarantined events a
`source.accounted` with that append's four numbers is in the log too, so the log alone gives every account.
One append at a time, so the order of the source is the order of the log. A failed append is tried again with growing pauses,
for ever, unacknowledged; meanwhile the source is not asked for more. What waits is taken at once: a frame is closed when
nothing more waits, or when there are BATCH_MAX events.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import overload

import msgspec

from tailrace.engine.log import Log, Receipt
from tailrace.engine.packing import Arrival, Packed, pack
from tailrace.engine.source import Delivery, Rejected, Source
from tailrace.schemas import codec, line
from tailrace.schemas.errors import InvalidEvent, SendFailed
from tailrace.schemas.event import (
    OWN,
    AnyEvent,
    ConnectionLost,
    ConnectionRestored,
    Event,
    GapDetected,
    IngestQuarantined,
    SourceAccounted,
    Telemetry,
)
from tailrace.schemas.instant import Instant
from tailrace.schemas.record import Record

BATCH_MAX = 4096
"""Events in one append."""

WAITING_MAX = 8192
"""Events that wait for an append; then the source is not asked for more."""

RETRY_FIRST_S = 0.1
RETRY_LAST_S = 5.0

SHOWN_MAX = 3
"""Refused things that are kept to be shown to a person."""

REPEATS_MAX = 65_536
"""Different quarantined contents whose repeats are counted apart."""

OBSERVATIONS = (ConnectionLost, ConnectionRestored, GapDetected)
"""What a live source says of itself: written by Tailrace, not sent by the machine."""

Signals = Mapping[str, frozenset[str]]
"""Machine -> the signals that are declared for it; a machine that is not here may have any."""


class Account(msgspec.Struct, frozen=True):
    """What became of a source's events."""

    received: int = 0
    appended: int = 0
    duplicate: int = 0
    quarantined: int = 0

    def __add__(self, other: Account) -> Account:
        return Account(*(mine + its for mine, its in zip(_numbers(self), _numbers(other), strict=True)))


class Ingest:
    """Carries one source into a log. `run` ends when the source ends or after `stop`.

    clock gives ns UTC; token is different in every run of every process; signals: see Signals; live: the source is a
    connection whose OBSERVATIONS are Tailrace's own, not a file that quotes them.
    """

    def __init__(
        self,
        source: Source,
        log: Log,
        *,
        clock: Callable[[], int],
        token: str,
        site: str = "",
        signals: Signals | None = None,
        live: bool = True,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.source = source
        self.account = Account()
        self.trouble = ""
        self.shown: list[Rejected] = []
        self.last = 0
        self._log = log
        self._clock = clock
        self._token = token
        self._site = site
        self._signals = signals or {}
        self._live = live
        self._pause = pause
        self._appends = 0
        self._repeats = _Repeats(source.name)
        self._waiting = _Waiting()
        self._stopped = False

    async def run(self) -> None:
        """Until the source ends or `stop`: everything that was taken from it is in the log when this returns.

        Whatever a source raises is raised here; running again begins anew with what was not acknowledged.
        """
        if not self._stopped:
            self._waiting = _Waiting()
        pump = asyncio.create_task(self._pull(), name=f"pull {self.source.name}")
        try:
            while batch := await self._waiting.take():
                await self._carry(batch)
        finally:
            pump.cancel()
            with suppress(asyncio.CancelledError):
                await pump

    def stop(self) -> None:
        """Asks the source for nothing more; `run` carries what waits, acknowledges it, leaves the source and returns."""
        self._stopped = True
        self._waiting.end()

    async def _pull(self) -> None:
        deliveries = self.source.deliveries()
        try:
            async for delivery in deliveries:
                await self._waiting.put(delivery)
        finally:
            await _leave(deliveries)
            self._waiting.end()

    async def _carry(self, batch: Sequence[Delivery]) -> None:
        now = self._clock()
        rejected = [(delivery.session, each) for delivery in batch for each in delivery.rejected]
        account = Account(received=len(rejected), quarantined=len(rejected))
        for ready, some in itertools.groupby(batch, key=lambda delivery: bool(delivery.records)):
            run = list(some)
            account += await (self._take_records(run, rejected) if ready else self._take_events(run, now, rejected))
        if account.duplicate or account.quarantined:
            await self._append(self._notes(account, rejected, now))
        self.account += account
        self.shown += [each for _, each in rejected[: SHOWN_MAX - len(self.shown)]]
        for delivery in batch:
            await delivery.acknowledge()

    async def _take_records(self, deliveries: Sequence[Delivery], rejected: list[tuple[str, Rejected]]) -> Account:
        """Records that came ready: the same append, the same identity."""
        packed = [Packed(each, _Inside(each, delivery.session)) for delivery in deliveries for each in delivery.records]
        wrong: list[tuple[str, Rejected]] = []
        account = await self._offer(packed, wrong)
        rejected += wrong
        return Account(sum(each.record.n for each in packed), account.appended, account.duplicate, len(wrong))

    async def _take_events(
        self, deliveries: Sequence[Delivery], now: int, rejected: list[tuple[str, Rejected]]
    ) -> Account:
        good: list[Arrival] = []
        wrong: list[tuple[str, Rejected]] = []
        for arrival in _arrivals(deliveries, now):
            reason = self._wrong(arrival.event, now)
            if reason:
                wrong.append((arrival.session, _rejected(arrival, reason)))
            else:
                good.append(arrival)
        rejected += wrong
        account = Account(received=len(wrong), quarantined=len(wrong))
        for own, run in itertools.groupby(
            good, key=lambda arrival: self._live and isinstance(arrival.event, OBSERVATIONS)
        ):
            if own:
                await self._append([codec.record_of(each.event, source=OWN, site=self._site) for each in run])
            else:
                account += await self._append_run(list(run), rejected)
        return account

    def _wrong(self, event: AnyEvent, now: int) -> str:
        try:
            line.check(event)
            line.check_time(event, now)
        except InvalidEvent as error:
            return str(error)
        declared = self._signals.get(event.machine)
        if declared is not None and isinstance(event, Telemetry):
            unknown = sorted((event.values.keys() | event.quality.keys()) - declared - event.counters.keys())
            if unknown:
                return f"expected a signal that {event.machine} declares ({', '.join(sorted(declared))}), got {unknown[0]!r}"
        return ""

    async def _append_run(self, arrivals: list[Arrival], rejected: list[tuple[str, Rejected]]) -> Account:
        packed, refused = pack(arrivals, source=self.source.name, site=self._site)
        wrong = [(each.arrival.session, _rejected(each.arrival, each.reason)) for each in refused]
        account = await self._offer(packed, wrong)
        rejected += wrong
        return Account(len(arrivals), account.appended, account.duplicate, len(wrong))

    async def _offer(self, packed: Sequence[Packed], wrong: list[tuple[str, Rejected]]) -> Account:
        """Appends; where the log refuses the whole as no log could keep it, the parts are tried, in order."""
        if not packed:
            return Account()
        try:
            receipt = await self._append([each.record for each in packed])
        except InvalidEvent as error:
            if len(packed) == 1:
                wrong += [(each.session, _rejected(each, str(error))) for each in packed[0].arrivals]
                return Account()
            half = len(packed) // 2
            return await self._offer(packed[:half], wrong) + await self._offer(packed[half:], wrong)
        wrong += _conflicts(receipt, packed)
        return Account(appended=receipt.appended, duplicate=receipt.duplicate)

    def _notes(self, account: Account, rejected: Sequence[tuple[str, Rejected]], now: int) -> list[Record]:
        self._appends += 1
        name, t = self.source.name, Instant(now)
        notes: list[Event] = [
            IngestQuarantined(
                t=t, ingested=t, id=self._repeats.identify(session, each.raw),
                source=name, reason=each.reason, raw=each.raw, where=each.where,
            )
            for session, each in rejected
        ]  # fmt: skip
        notes.append(
            SourceAccounted(
                t=t, ingested=t, id=f"acc:{name}:{self._token}:{self._appends}", source=name, received=account.received,
                appended=account.appended, duplicate=account.duplicate, quarantined=account.quarantined,
            )
        )  # fmt: skip
        return [codec.record_of(note, source=OWN, site=self._site) for note in notes]

    async def _append(self, records: Sequence[Record]) -> Receipt:
        wait = RETRY_FIRST_S
        while True:
            try:
                receipt = await self._log.append(records)
            except SendFailed as error:
                self.trouble = str(error)
                await self._pause(wait)
                wait = min(2 * wait, RETRY_LAST_S)
            else:
                self.trouble = ""
                self.last = max(self.last, receipt.last)
                return receipt


class _Waiting:
    """Deliveries between the source and the next append; bounded in events."""

    def __init__(self) -> None:
        self._deliveries: deque[Delivery] = deque()
        self._events = 0
        self._ended = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, delivery: Delivery) -> None:
        """Adds one, and returns when there is room for the next; after the end it takes none and never returns."""
        if self._ended:
            await asyncio.Event().wait()
        self._deliveries.append(delivery)
        self._events += _size(delivery)
        self._changed.set()
        while self._events >= WAITING_MAX:
            self._room.clear()
            await self._room.wait()

    async def take(self) -> list[Delivery]:
        """What waits, at most BATCH_MAX events (or one delivery); [] when nothing is left and nothing will come."""
        while not self._deliveries and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        batch: list[Delivery] = []
        events = 0
        while self._deliveries and (not batch or events + _size(self._deliveries[0]) <= BATCH_MAX):
            batch.append(self._deliveries.popleft())
            events += _size(batch[-1])
        self._events -= events
        self._room.set()
        return batch

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._changed.set()


class _Inside(Sequence[Arrival]):
    """What is in a record that came ready; decoded when somebody asks, which is when the log refuses some of it."""

    def __init__(self, record: Record, session: str) -> None:
        self._record, self._session = record, session

    @cached_property
    def _arrivals(self) -> list[Arrival]:
        return [Arrival(event, self._session) for event in codec.events_of(self._record)]

    def __len__(self) -> int:
        return self._record.n

    @overload
    def __getitem__(self, at: int) -> Arrival: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Arrival]: ...

    def __getitem__(self, at: int | slice) -> Arrival | Sequence[Arrival]:
        return self._arrivals[at]


class _Repeats:
    """Identity of quarantined content: hash of source, session, bytes and how many-th such bytes these are in the session."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def identify(self, session: str, raw: bytes) -> str:
        content = hashlib.blake2b(msgspec.msgpack.encode((self._source, session, raw)), digest_size=16).digest()
        nth = self._counts.pop(content, 0) + 1
        self._counts[content] = nth
        if len(self._counts) > REPEATS_MAX:
            self._counts.popitem(last=False)
        return "q:" + hashlib.blake2b(content + nth.to_bytes(8, "big"), digest_size=16).hexdigest()


def _arrivals(batch: Sequence[Delivery], now: int) -> Iterator[Arrival]:
    for delivery in batch:
        origins = delivery.origins
        for i, event in enumerate(delivery.events):
            stamped = msgspec.structs.replace(event, ingested=event.ingested or Instant(now))
            if origins:
                yield Arrival(stamped, delivery.session, origins[i].raw, origins[i].where)
            else:
                yield Arrival(stamped, delivery.session)


def _conflicts(receipt: Receipt, packed: Sequence[Packed]) -> list[tuple[str, Rejected]]:
    wrong = []
    for conflict in receipt.conflicts:
        arrival = packed[conflict.record].arrivals[conflict.row]
        reason = (
            f"id {conflict.id!r} came again with other content: expected what stands at position {conflict.position}, "
            f"got {arrival.where or 'this'}"
        )
        wrong.append((arrival.session, _rejected(arrival, reason)))
    return wrong


def _rejected(arrival: Arrival, reason: str) -> Rejected:
    return Rejected(reason, arrival.raw or codec.to_line(arrival.event), arrival.where)


def _size(delivery: Delivery) -> int:
    return len(delivery.events) + len(delivery.rejected) + sum(record.n for record in delivery.records)


def _numbers(account: Account) -> tuple[int, int, int, int]:
    return account.received, account.appended, account.duplicate, account.quarantined


async def _leave(deliveries: AsyncIterator[Delivery]) -> None:
    close = getattr(deliveries, "aclose", None)
    if close is not None:
        await close()
