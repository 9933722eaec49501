"""What a worker says on its topic of minutes: when, how much CPU it had used by then, and whether it is true.

Read committed, as a reader of transactions does. The clock runs from the first minute that is seen to the last one, so neither
the start of a process nor its joining of a group counts; CPU time is of the process and its children, all threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from kafka_input import Minutes
from tailrace.connectors.kafka_records import derived_of
from tailrace.schemas import bucket

Row = tuple[str, int, int, int]
"""Machine, start in ns, run time in ns, parts."""

POLL_MS = 20
RUN, GOOD = bucket.COLUMNS.index("shift_run_ns"), bucket.COLUMNS.index("shift_good")


class Seen(NamedTuple):
    """Minutes between the first that was seen and the last, wall and CPU seconds between, and what was wrong.

    missing: minutes that did not come, before the last one of a machine or, where nothing more came, at all; wrong: that came
    with other figures than the true ones; repeated: that came again. Where a worker sends a batch in no order, as Pathway does,
    what is missing at the end of a turn that was cut short may be under way.
    """

    minutes: int
    wall_s: float
    cpu_s: float
    missing: int
    wrong: int
    repeated: int


class Watch:
    """Follows a topic from its begin; `rows` gives the minutes in a message."""

    def __init__(self, address: str, topic: str, rows: Callable[[Any], Iterable[Row]], expected: Minutes) -> None:
        self._address, self._topic, self._rows, self._expected = address, topic, rows, expected
        self.found: Minutes = {}
        self._wrong = self._repeated = 0
        self._marks: list[tuple[float, float, int]] = []

    async def run(self, pid: int, limit_s: float, until: Callable[[], bool]) -> Seen:
        """Until all is there, or `until` says so, or nothing new comes in limit_s."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._address, enable_auto_commit=False, isolation_level="read_committed",
            fetch_max_wait_ms=POLL_MS,
        )  # fmt: skip
        await consumer.start()
        try:
            part = TopicPartition(self._topic, 0)
            consumer.assign([part])
            await consumer.seek_to_beginning(part)
            news = time.perf_counter()
            while len(self.found) < len(self._expected) and not until() and time.perf_counter() - news < limit_s:
                before = len(self.found)
                for messages in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for message in messages:
                        self._take(message)
                if len(self.found) > before:
                    news = time.perf_counter()
                    self._marks.append((news, cpu_s(pid), len(self.found)))
        finally:
            await consumer.stop()
        return self._seen(complete=time.perf_counter() - news >= limit_s)

    @property
    def since_s(self) -> float:
        """Seconds since the first minute; 0 before more have come."""
        return time.perf_counter() - self._marks[0][0] if len(self._marks) > 1 else 0.0

    def _take(self, message: Any) -> None:
        for machine, begun, run, parts in self._rows(message):
            key, said = (machine, begun), (run, parts)
            self._repeated += key in self.found
            self._wrong += self._expected.get(key) != said
            self.found[key] = said

    def _seen(self, *, complete: bool) -> Seen:
        last_of = dict(sorted(self.found))
        missing = sum(
            complete or at <= last_of.get(machine, 0) for machine, at in self._expected.keys() - self.found.keys()
        )
        if len(self._marks) < 2:
            return Seen(0, 0.0, 0.0, missing, self._wrong, self._repeated)
        first, last = self._marks[0], self._marks[-1]
        return Seen(last[2] - first[2], last[0] - first[0], last[1] - first[1], missing, self._wrong, self._repeated)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children; 0 once it is gone."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))
    return 0.0


def of_ours(message: Any) -> Iterable[Row]:
    """The minutes in an output of Tailrace."""
    output = derived_of(message)
    if output.kind != bucket.KIND:
        return []
    rows = bucket.decode(output.body)
    run, parts = (rows.tallies[:, column].tolist() for column in (RUN, GOOD))
    return zip([output.key] * len(rows), rows.start.tolist(), run, parts, strict=True)


_minute = msgspec.msgpack.Decoder(Row).decode


def of_peer(message: Any) -> Iterable[Row]:
    """The minute in a message of a peer."""
    return [_minute(message.value)]


def of_pathway(message: Any) -> Iterable[Row]:
    """The same where it is put in; Pathway takes back the minutes of a batch when it has the next one's."""
    return of_peer(message) if dict(message.headers).get("pathway_diff") == b"1" else []
