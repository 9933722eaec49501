"""Numbers, lengths and times as a person reads them, as HTML that is safe by construction.

Rules: a figure has its unit beside it; nothing is rounded into another meaning (0 is 0, no value is words). Times are the
plant's, with the zone named once where they stand. Ages are counted on by the browser from `data-since`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from markupsafe import Markup

from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, format_instant, parse_instant
from tailrace.schemas.unit import MINUS, NARROW

__all__ = [
    "MINUS", "NARROW", "Zone", "age", "html", "instant", "joined", "length", "measure", "no_value", "number", "percent",
]  # fmt: skip


def html(template: str, *values: object, **named: object) -> Markup:
    """A template with its values escaped, unless they are Markup."""
    return Markup(template).format(*values, **named)


def joined(parts: Sequence[Markup]) -> Markup:
    """Parts one after the other."""
    return Markup("").join(parts)


def number(value: float, digits: int | None = None) -> str:
    """A number with thousands apart; digits: decimals, else four figures, or all of a whole number."""
    if digits is not None:
        text = f"{value:,.{digits}f}"
    elif value == 0 or 1e-6 <= abs(value) < 1e15:
        decimals = 0 if value == int(value) else max(0, 3 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{min(decimals, 9)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:.4g}"
    text = text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
    return text.replace(",", NARROW).replace("-", MINUS)


def percent(ratio: float) -> str:
    """A ratio of 0..1 in per cent, without the sign."""
    return number(100 * ratio, 1)


def measure(text: str, unit: str) -> Markup:
    """A number and its unit."""
    return html('{}<span class="unit">{}{}</span>', text, NARROW, unit) if unit else html("{}", text)


def no_value(figures: Mapping[str, Any], name: str) -> str:
    """Why a ratio has no value."""
    if figures["pbt"] == 0:
        return "not scheduled"
    if name in ("availability", "quality_count", "utilization"):
        return "no parts" if name == "quality_count" else "not scheduled"
    if "ideal_cycle_missing" in figures["flags"]:
        return "no ideal cycle"
    if name == "performance" and figures["operating"] == 0:
        return "did not run"
    return "no parts" if name == "quality" else "no value"


def length(ns: int) -> str:
    """A length of time in its two largest units."""
    ns = max(0, ns)
    if ns < MINUTE:
        return f"{ns // SECOND}{NARROW}s"
    if ns < HOUR:
        return f"{ns // MINUTE}{NARROW}min {ns % MINUTE // SECOND:02d}{NARROW}s"
    if ns < DAY:
        return f"{ns // HOUR}{NARROW}h {ns % HOUR // MINUTE:02d}{NARROW}min"
    return f"{ns // DAY}{NARROW}d {ns % DAY // HOUR}{NARROW}h"


def age(since: int, now: int) -> Markup:
    """How long ago, counted on by the browser."""
    return html('<span class="num" data-since="{}">{}</span>', since // 1_000_000, length(now - since))


class Zone:
    """Times of the plant."""

    def __init__(self, zone: tzinfo, name: str) -> None:
        self.zone, self.name = zone, name

    def local(self, ns: int) -> datetime:
        """The instant on the plant's clocks."""
        return datetime.fromtimestamp(ns // SECOND, self.zone)

    def clock(self, ns: int) -> str:
        """Hours, minutes, seconds."""
        return f"{self.local(ns):%H:%M:%S}"

    def short(self, ns: int, now: int, *, exact: bool = False) -> str:
        """Hours and minutes (exact: seconds too), with the day where it is not today."""
        local, today = self.local(ns), self.local(now)
        text = f"{local:%H:%M:%S}" if exact else f"{local:%H:%M}"
        return text if local.date() == today.date() else f"{local:%d %b} {text}"

    def full(self, ns: int) -> str:
        """Day, time and offset."""
        local = self.local(ns)
        return f"{local:%Y-%m-%d %H:%M:%S}{_offset(local)}"

    def day(self, ns: int, now: int) -> str:
        """Hours and minutes, or the day alone where it is not today."""
        local = self.local(ns)
        return self.short(ns, now) if local.date() == self.local(now).date() else f"{local:%d %b}"

    def time(self, ns: int, now: int, *, exact: bool = False, brief: bool = False) -> Markup:
        """A time for people and programs; the whole of it where the pointer rests."""
        return html(
            '<time datetime="{}" title="{} {}">{}</time>',
            format_instant(ns), self.full(ns), self.name, self.day(ns, now) if brief else self.short(ns, now, exact=exact),
        )  # fmt: skip

    def span(self, start: int, end: int, now: int) -> str:
        """From and to."""
        return f"{self.short(start, now)}–{self.short(end, now)}"


def instant(text: str) -> int:
    """The ns of a time in an answer."""
    return int(parse_instant(text))


def _offset(local: datetime) -> str:
    text = local.strftime("%z")
    return f"{text[:3]}:{text[3:5]}"
