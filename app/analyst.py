"""`tailrace.open`: a data folder for notebooks and scripts, synchronous, answers as Polars frames.

Rules: every answer comes from the query functions that CLI, REST and dashboard use, so it is theirs to the digit; like a command,
a method first brings the rows up to the log, unless somebody owns the folder and does it. The columns are those of
docs/analysts.md. A time is given as ISO 8601 with offset, Unix seconds, or a datetime with a zone. What is wrong raises one of
tailrace.schemas.errors, in words.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from tailrace.app import analyst_columns as columns
from tailrace.app import cli_options as options
from tailrace.app import compose, replay_into, what_if
from tailrace.app.cli_lists import walk
from tailrace.app.known import require_machine
from tailrace.app.known_span import span
from tailrace.app.wanted import READINGS, Wanted
from tailrace.projections import queries
from tailrace.schemas.answer import Page
from tailrace.schemas.errors import InvalidInput, InvalidSettings, Unavailable
from tailrace.schemas.instant import SECOND, format_instant, parse_instant

if TYPE_CHECKING:
    import polars as pl

Time = str | int | float | Decimal | datetime
"""ISO 8601 with offset, Unix seconds, or a datetime with a zone."""

T = TypeVar("T")
ALL = 2**62
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHIFT = "shift"


def open(where: str | os.PathLike[str]) -> Folder:
    """A data folder. Raises InvalidSettings where there is none, Unavailable where Polars is not installed."""
    text = os.fspath(where)
    if "://" in text:
        raise InvalidSettings(
            f"expected a data folder, got the URL {text.partition('://')[0]}://…; figures of any window are worked out from the "
            "log, which is in the folder. Tables of a database can be read as they are (docs/read-models.md)"
        )
    _polars()
    compose.events_file(Path(text))
    return Folder(Path(text))


class Folder:
    """A data folder that can be asked. It holds nothing open."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __repr__(self) -> str:
        return f"tailrace.open({str(self.directory)!r})"

    def machines(self) -> list[str]:
        """The machines that have an event, by name."""
        with compose.reading(self.directory) as log:
            return log.machines()

    def events(
        self, machine: str | None = None, start: Time | None = None, end: Time | None = None,
        types: str | Iterable[str] | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """A row an event, in the order of the log, times in [start, end); of every type, readings included, or of `types`.

        Readings are many: `readings` has them faster, a column a signal.
        """
        return self._events(_wanted(machine, start, end, types), wide=False)

    def readings(
        self, machine: str | None = None, start: Time | None = None, end: Time | None = None,
        signals: Iterable[str] | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """A row a reading with times in [start, end), by machine and time; a column a signal, in the unit that `signals` says."""
        found = self._events(_wanted(machine, start, end, READINGS), wide=True)
        head = [column.name for column in columns.READINGS]
        there = found.columns[found.columns.index("quality") + 1 :]
        wanted = there if signals is None else list(signals)
        unknown = [name for name in wanted if name not in there]
        if unknown:
            raise InvalidInput(f"expected signals that were read, got {unknown[0]!r}; there are: {', '.join(there)}")
        return found.select([*head, *wanted]).sort("machine", "t", maintain_order=True)

    def signals(self, machine: str | None = None) -> pl.DataFrame:
        """A row a signal of a machine: its unit, and its latest reading."""
        return self._listed(
            columns.SIGNALS, machine,
            lambda rows, at, n: queries.signals(rows, machine=machine, cursor=at, limit=n),
        )  # fmt: skip

    def stops(
        self, machine: str | None = None, start: Time | None = None, end: Time | None = None, *, now: Time | None = None
    ) -> pl.DataFrame:
        """A row a stop that has a part in [start, end), newest first. now: until when an open one lasts, by default now."""
        until = time.time_ns() if now is None else instant(now)
        a, b = _window(start, end)
        return self._listed(
            columns.STOPS, machine,
            lambda rows, at, n: queries.stops(rows, until, machine=machine, start=a, end=b, cursor=at, limit=n),
        )  # fmt: skip

    def anomalies(
        self, machine: str | None = None, start: Time | None = None, end: Time | None = None, *, open_only: bool = False
    ) -> pl.DataFrame:
        """A row an alarm that has a part in [start, end), newest first; open_only: those that are not over."""
        a, b = _window(start, end)
        return self._listed(
            columns.ANOMALIES, machine,
            lambda rows, at, n: queries.anomalies(
                rows, machine=machine, start=a, end=b, open_only=open_only, cursor=at, limit=n
            ),
        )  # fmt: skip

    def oee(
        self, machine: str | Sequence[str] | None = None, start: Time | None = None, end: Time | None = None, *,
        every: str | None = None, definition: str | None = None, as_of: Time | None = None, known_at: Time | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """A row a machine and window: the figures of docs/oee.md for [start, end), or for each `every` (1h, 1d, shift) of it.

        machine: one, several, or None for all. start, end: without one, the first or the last hour of which something is known.
        """
        compose.catch_up(self.directory)
        names = self.machines() if machine is None else [machine] if isinstance(machine, str) else list(machine)
        a, b = self._span(start, end)
        at, known = (None if each is None else instant(each) for each in (as_of, known_at))
        found = [each for name in names for each in self._oee(name, a, b, every, definition, at, known)]
        shown = [column for column in columns.OEE if column.name != SHIFT or every == SHIFT]
        return _frame(shown, found)

    def replay(
        self, *, into: str | os.PathLike[str], topology: str | Iterable[str] = (),
        overrides: Mapping[str, Any] | None = None, machine: str = "", end: Time | None = None,
    ) -> Folder:  # fmt: skip
        """Replays into a new folder, as `tailrace replay --into` does, and opens it. This one is only read.

        topology: which folds, by default all; overrides: what if, as {"definition.microstop_s": 120} (docs/replay.md).
        """
        named = sorted({topology} if isinstance(topology, str) else set(topology))
        unknown = [name for name in named if name not in compose.TOPOLOGIES]
        if unknown:
            raise InvalidSettings(f"topology: expected one of {', '.join(compose.TOPOLOGIES)}, got {unknown[0]!r}")
        if machine:
            require_machine(self.directory, machine)
        asked = replay_into.Asked(
            source=str(self.directory.resolve()), end=None if end is None else instant(end), machine=machine,
            topologies=named, overrides=what_if.require(overrides or {}),
        )  # fmt: skip
        _apart(lambda: asyncio.run(replay_into.run(asked, Path(into), lambda _done, _all: None, asyncio.Event())))
        return Folder(Path(into))

    # -- how it is asked -----------------------------------------------------------------------------------------------

    def _events(self, wanted: Wanted, *, wide: bool) -> pl.DataFrame:
        import pyarrow as pa  # noqa: PLC0415  Arrow takes a while to import

        from tailrace.app.arrow_events import Events  # noqa: PLC0415

        with compose.reading(self.directory) as log:
            events = Events(log, wanted, wide=wide)
            table = pa.concat_tables(list(events.tables()))
        for reason in events.skipped:
            warnings.warn(f"left out: {reason}", stacklevel=3)
        found = _polars().from_arrow(table)
        return found.rechunk()  # type: ignore[no-any-return]

    def _listed(
        self, shown: Sequence[columns.Column], machine: str | None,
        ask: Callable[[sqlite3.Connection, str | None, int], Page[Any]],
    ) -> pl.DataFrame:  # fmt: skip
        compose.catch_up(self.directory)
        require_machine(self.directory, machine)
        with compose.read_store(self.directory) as rows:
            items = walk(lambda at, n: ask(rows, at, n), None, ALL).items
        return _frame(shown, [msgspec.to_builtins(item) for item in items])

    def _oee(
        self, machine: str, start: int, end: int, every: str | None, definition: str | None, as_of: int | None,
        known_at: int | None,
    ) -> Sequence[Mapping[str, Any]]:  # fmt: skip
        from tailrace.app.oee_query import oee  # noqa: PLC0415  numpy takes a while to import
        from tailrace.app.oee_windows import lengths  # noqa: PLC0415
        from tailrace.app.shift_report import Asked, report  # noqa: PLC0415

        if every == SHIFT:
            asked = Asked(start, end, as_of, definition)
            return report(self.directory, asked, machines=[machine], known_at=known_at)
        windows = lengths(start, end, None if every is None else length_of(every))
        return oee(self.directory, machine, windows, as_of, definition, known_at)

    def _span(self, start: Time | None, end: Time | None) -> tuple[int, int]:
        a, b = _window(start, end)
        if a is None or b is None:
            known = span(self.directory)
            if known is None:
                raise InvalidInput("expected start and end, since nothing is worked out of this folder yet")
            a, b = known[0] if a is None else a, known[1] if b is None else b
        if a >= b:
            raise InvalidInput(f"expected a start before the end, got {format_instant(a)} and {format_instant(b)}")
        return a, b


def diff(first: Folder | str | os.PathLike[str], second: Folder | str | os.PathLike[str]) -> pl.DataFrame:
    """A row each row of a read model that is not the same in two folders, and each machine whose figures are not."""
    from tailrace.app import folder_diff  # noqa: PLC0415  numpy takes a while to import

    here, there = (each.directory if isinstance(each, Folder) else open(each).directory for each in (first, second))
    return _frame(columns.CHANGES, list(folder_diff.changes(here, there)))


def instant(given: Time) -> int:
    """Nanoseconds UTC; raises InvalidInput for what is no time."""
    if not isinstance(given, datetime):
        return int(parse_instant(given))
    if given.tzinfo is None:
        raise InvalidInput(
            f"expected a time with a zone, got {given.isoformat()}; add tzinfo=datetime.UTC, or the plant's"
        )
    since = given - EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1000


def length_of(text: str) -> int:
    """Nanoseconds of 30s, 15min, 1h, 1d; raises InvalidInput for anything else."""
    try:
        return int(options.Length().convert(text, None, None))
    except click.BadParameter as error:
        raise InvalidInput(f"every: {error.message}, or shift") from None


def _window(start: Time | None, end: Time | None) -> tuple[int | None, int | None]:
    return None if start is None else instant(start), None if end is None else instant(end)


def _wanted(
    machine: str | None, start: Time | None, end: Time | None, types: str | Iterable[str] | None
) -> Wanted:  # fmt: skip
    a, b = _window(start, end)
    named = frozenset({types} if isinstance(types, str) else types or ())
    return Wanted(machine=machine or "", start=a, end=b, types=named)


def _frame(shown: Sequence[columns.Column], rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    _polars()
    from tailrace.app.analyst_frames import frame  # noqa: PLC0415

    return frame(shown, rows)


def _polars() -> Any:
    try:
        import polars  # noqa: PLC0415  it is an extra, and takes a while to import
    except ImportError:
        raise Unavailable("expected Polars for frames; install it with: pip install 'tailrace[analysis]'") from None
    return polars


def _apart(call: Callable[[], T]) -> T:
    """In a thread of its own: in a notebook this one has an event loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()
