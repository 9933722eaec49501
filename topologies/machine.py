"""One machine: what happened, by day, and what is said of it. Changing a fact tells which stretch of time it touches.

Rules: facts are sets ordered by (t, seq, position), so the same facts in any order give the same machine. A day knows what
held when it began; a change that alters how a day ends goes on into the next one. `view` is the machine as it is now, for
comparing with what it becomes: days are copied before they change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.event import Counter, CounterName
from tailrace.schemas.instant import DAY, MINUTE
from tailrace.topologies.clocks import CLOCK, LAG, SKEW, Flags, says_nothing, word_of
from tailrace.topologies.day import Day, Entry
from tailrace.topologies.head import Head
from tailrace.topologies.plan import NONE, Plan
from tailrace.topologies.series import T
from tailrace.topologies.steps import FOREVER, Steps

Touched = tuple[int, int]
"""[from, to) in ns: outside of it nothing changed."""
NOTHING: Touched = (FOREVER, FOREVER)

_DEFAULT = Counter()


class Machine:
    """A machine's facts. `load` gives the bytes of a day that is not in memory."""

    def __init__(self, name: str, head: Head, load: Callable[[int], bytes | None]) -> None:
        self.name, self.head, self._load = name, head, load
        self.hot: dict[int, Day] = {}
        self.dirty: set[int] = set()
        self._shared: set[int] = set()
        self._steps: dict[object, object] = {}

    def view(self) -> Machine:
        """The machine as it is now; later changes do not show in it."""
        twin = Machine(self.name, msgspec.structs.replace(self.head, days=list(self.head.days)), self._load)
        twin.head.first_read = dict(self.head.first_read)
        twin.hot, twin._steps = dict(self.hot), dict(self._steps)
        self._shared = set(self.hot)
        return twin

    # -- facts ---------------------------------------------------------------------------------------------------------

    def word(self, state: str) -> int:
        """The code of a state word."""
        return _code(self.head.words, state, self._steps, "maps", "nothing")

    def product(self, name: str) -> int:
        """The code of a product; "" is 0: none known."""
        return _code(self.head.products, name, self._steps, "ranks")

    def clock(self, name: str) -> int:
        """The code of a clock."""
        return _code(self.head.clocks, name, self._steps)

    def say(self, plan: Plan) -> None:
        """Replaces what is said of the machine."""
        self.head.plan = plan
        self._steps.clear()

    def enter(self, block: NDArray[np.int64]) -> Touched:
        """Takes in a state, shape (7, 1): rows of `clocks`."""
        self.head.last_state = max(self.head.last_state, int(block[T, 0] - block[LAG, 0]))
        self.head.clock = int(block[CLOCK, 0])
        return self.lose(block)

    def lose(self, block: NDArray[np.int64]) -> Touched:
        """Takes in an instant from which nobody watches, as a state that says unknown; it does not lengthen the last state."""
        t, clock, lag = int(block[T, 0]), int(block[CLOCK, 0]), int(block[LAG, 0])
        self.head.last_point = max(self.head.last_point, t)
        day = self._edit(t // DAY)
        day.enter(block)
        place = int(np.searchsorted(day.states[T], t, side="right"))
        end = self._next(clock, t - lag, t // DAY, place)
        self._chain(t // DAY)
        return t, end

    def begin(self, t: int, clock: int, but: str) -> int:
        """Where a value of a clock begins that is stamped t: not before what came earlier by another clock, `but` excepted."""
        begin = t
        passed = self.head.clocks.index(but) if but in self.head.clocks else NONE
        for day in self.days_in(t + 1, t + SKEW + 1) if len(self.head.clocks) > 1 else ():
            states = day.states
            there = (states[T] > t) & (states[T] <= t + SKEW) & (states[CLOCK] != clock) & (states[CLOCK] != passed)
            begin = max([begin, *states[T][there][-1:].tolist()])
        return begin

    def count(self, block: NDArray[np.int64]) -> Touched:
        """Takes in part counts (t, seq, position, good, reject, rework, product), shape (7, n)."""
        for number, part in _by_day(block):
            self._edit(number).parts.add(part)
        return int(block[T].min()), int(block[T].max()) + 1

    def read(self, kind: CounterName, block: NDArray[np.int64]) -> Touched:
        """Takes in readings of a counter (t, seq, position, value), shape (4, n)."""
        known, first = self.head.first_read.get(kind, FOREVER), int(block[T].min())
        touched = NOTHING
        if first < known:
            self.head.first_read[kind] = first
            touched = (first, known)
        for number, part in _by_day(block):
            begin, last = self._edit(number).read(kind, part, self.config(kind))
            touched = join(touched, (begin, max(last + 1, self._chain(number))))
        return touched

    def configure(self, plan: Plan) -> Touched:
        """Replaces what is said, how counters behave included, and counts again."""
        before = {kind: self.config(kind) for kind in self.head.first_read}
        self.say(plan)
        touched = NOTHING
        for kind, first in self.head.first_read.items():
            if self.config(kind) == before[kind]:
                continue
            touched = join(touched, (first, FOREVER))
            for number in self.head.days[bisect_left(self.head.days, first // DAY) :]:
                day = self._edit(number)
                day.entry = self._exit_before(number)
                if kind in day.counters:
                    day.recount(kind, self.config(kind))
        return touched

    def config(self, kind: CounterName) -> Counter:
        """How a counter behaves."""
        return self.head.plan.registered.counters.get(kind, _DEFAULT)

    # -- reading -------------------------------------------------------------------------------------------------------

    def day(self, number: int) -> Day:
        """A day that is known."""
        if number not in self.hot:
            data = self._load(number)
            if data is None:
                raise LookupError(f"machine {self.name!r}: page of day {number} is missing; delete the read store")
            self.hot[number] = Day.decode(data)
        return self.hot[number]

    def days_in(self, a: int, b: int) -> Iterator[Day]:
        """The days that hold facts of [a, b), in order."""
        days = self.head.days
        for number in days[bisect_left(days, a // DAY) : bisect_right(days, (b - 1) // DAY)]:
            yield self.day(number)

    def earliest(self) -> int:
        """No category but unknown holds before this instant."""
        said = [reason.start for reason in self.head.plan.standing()]
        return min([self.head.first, *said, *(day * DAY for day in self.head.days[:1])])

    def word_at(self, t: int) -> int:
        """The code of the state word that holds at t."""
        index = bisect_right(self.head.days, t // DAY) - 1
        if index < 0:
            return NONE
        day = self.day(self.head.days[index])
        place = int(np.searchsorted(day.states[T], t, side="right"))
        return int(self.words(day)[place - 1]) if place else word_of(day.entry.held, self._nothing())

    def words(self, day: Day) -> NDArray[np.int64]:
        """The code of the word that stands from each state of a day on."""
        return day.words(self._nothing())

    def steps(self, name: str) -> Steps:
        """`schedule`, `product_at` or `overlay` of the plan, made once."""
        if name not in self._steps:
            self._steps[name] = getattr(self.head.plan, name)()
        return self._steps[name]  # type: ignore[return-value]

    def ideal_of(self, code: int) -> Steps:
        """The ideal cycle of a product."""
        if code not in self._steps:
            self._steps[code] = self.head.plan.ideal_of(code)
        return self._steps[code]  # type: ignore[return-value]

    def maps(self) -> tuple[Steps, NDArray[np.int64]]:
        """The state maps in use, by instant."""
        if "maps" not in self._steps:
            self._steps["maps"] = self.head.plan.maps(self.head.words)
        return self._steps["maps"]  # type: ignore[return-value]

    def _nothing(self) -> Flags:
        if "nothing" not in self._steps:
            self._steps["nothing"] = says_nothing(self.head.words)
        return self._steps["nothing"]  # type: ignore[return-value]

    def ranks(self) -> NDArray[np.int64]:
        """The place of each product code in the order of names."""
        if "ranks" not in self._steps:
            order = np.argsort(np.array(self.head.products, object))
            ranks = np.empty(len(order), np.int64)
            ranks[order] = np.arange(len(order))
            self._steps["ranks"] = ranks
        return self._steps["ranks"]  # type: ignore[return-value]

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """The days that changed since the last call, as bytes."""
        for number in sorted(self.dirty):
            yield number, self.hot[number].encode()
        self.dirty.clear()

    def cool(self) -> int:
        """Lets days that are not changed go from memory, but for the newest; gives how many bytes that were."""
        newest = max(self.hot, default=0)
        cold = [number for number in self.hot if number != newest and number not in self.dirty]
        return sum(self.hot.pop(number).size for number in cold)

    # -- days ----------------------------------------------------------------------------------------------------------

    def _edit(self, number: int) -> Day:
        self.dirty.add(number)
        if number not in self.head.days:
            insort(self.head.days, number)
            self.hot[number] = Day(self._exit_before(number))
            return self.hot[number]
        day = self.day(number)
        if number in self._shared:
            self._shared.discard(number)
            day = self.hot[number] = day.copy()
        return day

    def _exit_before(self, number: int) -> Entry:
        index = bisect_left(self.head.days, number)
        return self.day(self.head.days[index - 1]).exit() if index else Entry()

    def _next(self, clock: int, stamp: int, number: int, place: int) -> int:
        """Where a clock's next state begins that is stamped after `stamp`, from a place of a day on; or FOREVER."""
        days = self.head.days
        for later in days[bisect_left(days, number) :]:
            states = self.day(later).states
            if place == states.n:
                place = 0
                continue
            mine = (states[CLOCK][place:] == clock) & (states[T][place:] - states[LAG][place:] > stamp)
            if mine.any():
                return int(states[T][place + int(mine.argmax())])
            place = 0
        return FOREVER

    def _chain(self, number: int) -> int:
        """Carries how a day ends into the days after it; gives the end of the last day whose parts that changed, or 0."""
        end = 0
        days = self.head.days
        for later in days[bisect_right(days, number) :]:
            entry = self._exit_before(later)
            if self.day(later).entry == entry:
                break
            day = self._edit(later)
            before, day.entry = day.entry, entry
            if before.levels != entry.levels:
                end = (later + 1) * DAY
                for kind in day.counters:
                    day.recount(kind, self.config(kind))
        return end

    def revise(self, minute: int) -> int:
        """The next revision of a minute that was emitted before."""
        number = minute // DAY
        day = self._edit(number)
        revision = day.revisions.get(minute, 1) + 1
        day.revisions[minute] = revision
        return revision


def _code(names: list[str], name: str, steps: dict[object, object], *stale: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        names.append(name)
        for each in stale:
            steps.pop(each, None)
        return len(names) - 1


def _by_day(block: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    t = block[T]
    first, last = int(t.min()) // DAY, int(t.max()) // DAY
    if first == last:
        yield first, block
        return
    numbers = t // DAY
    for number in range(first, last + 1) if last - first < len(t) else np.unique(numbers).tolist():
        part = block[:, numbers == number]
        if part.shape[1]:
            yield number, part


def join(one: Touched, other: Touched) -> Touched:
    """A stretch that holds both."""
    if NOTHING in (one, other):
        return other if one == NOTHING else one
    return min(one[0], other[0]), max(one[1], other[1])


def floor_minute(t: int) -> int:
    """The start of the minute that holds t."""
    return t // MINUTE * MINUTE
