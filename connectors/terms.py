"""What the values of a device mean, and the refusal of those that mean nothing.

Rules: a value is taken exactly or InvalidEvent says what was expected and what came; nothing is rounded or guessed. A setting
that could never work is a ValueError while the plant file is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tailrace.schemas import line
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import OWN
from tailrace.schemas.instant import Span, parse_span

NAME_MAX = 64
COUNT_END = 2**62
_TWINS = {"1": "true", "0": "false", "true": "1", "false": "0"}
Key = str | int | bool | float


class Words:
    """Turns the value of a state into its word, by a table or as it is."""

    def __init__(self, table: Mapping[Key, str], default: str | None = None) -> None:
        self._table = {_spelled(key): word for key, word in table.items()}
        self._default = default

    def word(self, value: object) -> str:
        """The state word of a value; raises InvalidEvent where the table does not know it."""
        if not self._table:
            return label("a state", value)
        spelling = _spelled(value)
        for key in (spelling, _TWINS.get(spelling, spelling)):
            if key in self._table:
                return self._table[key]
        if self._default is not None and isinstance(value, (str, int, float)):
            return self._default
        raise InvalidEvent(
            f"expected a state among {sorted(self._table)} (the map in the plant file), got {shown(value)}"
        )


class Cycles:
    """The ideal cycle of a product: from a table, one for all, or what the device says."""

    def __init__(self, setting: float | Mapping[str, float] | None) -> None:
        self._table = {name: parse_span(s) for name, s in setting.items()} if isinstance(setting, Mapping) else {}
        self._always = parse_span(setting) if isinstance(setting, (int, float)) else None

    def of(self, product: str | None) -> Span | None:
        """The cycle that the plant file gives a product, or None."""
        return None if product is None else self._table.get(product, self._always)


def whole(value: object) -> int:
    """A number of parts; 12.0 is 12. Raises InvalidEvent."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0:
        raise InvalidEvent(f"expected a whole number, got {shown(value)}")
    return int(value)


def count(value: object) -> int:
    """What a cumulative counter stands at. Raises InvalidEvent."""
    parts = whole(value)
    if not 0 <= parts < COUNT_END:
        raise InvalidEvent(f"expected a counter from 0 to 2**62-1, got {parts}")
    return parts


def finite(value: object) -> int | float:
    """A number that is one. Raises InvalidEvent."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidEvent(f"expected a finite number, got {shown(value)}")
    return value


def label(what: str, value: object) -> str:
    """A name: 1 to 64 printable characters; a number stands for its digits. Raises InvalidEvent."""
    text = _spelled(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip() or len(text) > NAME_MAX or not text.isprintable():
        raise InvalidEvent(f"expected {what} of 1 to {NAME_MAX} printable characters, got {shown(value)}")
    return text.strip()


def product(value: object) -> str | None:
    """A product's name; nothing but blanks is none. Raises InvalidEvent."""
    return None if isinstance(value, str) and not value.strip() else label("a product", value)


def cycle(value: object) -> Span | None:
    """An ideal cycle from a number of seconds; 0 is none. Raises InvalidEvent."""
    return parse_span(finite(value)) or None


def shown(value: object) -> str:
    """A value as a person reads it, cut to a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


# -- settings ----------------------------------------------------------------------------------------------------------


def check_source(name: str) -> None:
    """Raises ValueError for a name that could not stand in an id or a clock."""
    if not name or len(name) > NAME_MAX or not name.isprintable() or set(name) & set(":/ ") or name == OWN:
        raise ValueError(
            f"name: expected 1 to {NAME_MAX} printable characters without ':', '/' or blanks, not {OWN!r}, got {name!r}"
        )


def check_name(where: str, name: str) -> None:
    """Raises ValueError for the name of a machine or signal that no event could carry."""
    if not name or len(name) > NAME_MAX or not name.isprintable():
        raise ValueError(f"{where}: expected a name of 1 to {NAME_MAX} printable characters, got {name!r}")


def check_words(where: str, words: Mapping[Key, str]) -> None:
    """Raises ValueError for a table of state words that says nothing."""
    for key, word in words.items():
        if not word.strip() or len(word) > NAME_MAX:
            raise ValueError(
                f"{where}.map: expected a state word of 1 to {NAME_MAX} characters for {key!r}, got {word!r}"
            )


def check_cycles(where: str, setting: object) -> None:
    """Raises ValueError for a cycle that is no length of time."""
    for name, value in setting.items() if isinstance(setting, Mapping) else [("", setting)]:
        if isinstance(value, (int, float)) and not 0 < value <= line.CYCLE_MAX / 1e9:
            raise ValueError(f"{where}{'.' if name else ''}{name}: expected seconds above 0, got {value}")


def _spelled(value: object) -> str:
    """One spelling for one value: 1, 1.0 and "1" are "1"; true is "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value) and value % 1 == 0:
        return str(int(value))
    return str(value)
