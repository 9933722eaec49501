"""Which machine a message is about: a level of its topic, a field of its payload, or always the same.

Rules: `{machine}` in a topic filter stands for one whole level, and is `+` for the broker. Where several filters match, the
first one that was written decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tailrace.connectors.jsonpath import Path
from tailrace.connectors.terms import label, shown
from tailrace.schemas.errors import InvalidEvent

MARK = "{machine}"
REMEMBERED_MAX = 10_000


class Machine:
    """Finds a message's machine by one rule; raises ValueError for a rule that cannot work."""

    def __init__(self, filters: Sequence[str], rule: str | None) -> None:
        self._known: dict[str, str] = {}
        self._path: Path | None = None
        for text in filters:
            _check_filter(text)
        marked = [text for text in filters if MARK in text]
        if rule is None:
            if len(marked) < len(filters):
                raise ValueError(
                    f"machine: expected {MARK} as a level of every topic, or machine: topic:1, $.path or a name; "
                    f"{next(text for text in filters if text not in marked)!r} names no machine"
                )
            self._in_topic: Callable[[list[str]], str] = _by_mark([_levels(text) for text in marked])
        elif marked:
            raise ValueError(
                f"machine: expected either {MARK} in the topic or machine, got both ({marked[0]!r}, {rule!r})"
            )
        elif rule.startswith("topic:"):
            self._in_topic = _by_level(_level(rule, filters))
        elif rule.startswith("$"):
            self._path = Path(rule)
        else:
            name = _fixed(rule)
            self._in_topic = lambda levels: name

    def of(self, topic: str, document: Any) -> str:
        """The machine; raises InvalidEvent where the message names none."""
        if self._path is not None:
            return label(f"a machine at {self._path.text}", self._path.find(document))
        machine = self._known.get(topic)
        if machine is None:
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            machine = self._known[topic] = label("a machine in the topic", self._in_topic(topic.split("/")))
        return machine


def filter_of(text: str) -> str:
    """The filter that the broker is asked for."""
    return text.replace(MARK, "+")


def matches(levels: Sequence[str], topic: Sequence[str]) -> bool:
    """Whether a filter, in levels, takes a topic, in levels."""
    for i, level in enumerate(levels):
        if level == "#":
            return True
        if i >= len(topic) or level not in ("+", MARK, topic[i]):
            return False
    return len(levels) == len(topic)


def _levels(text: str) -> list[str]:
    """The levels that a topic is compared with; `$share/group/` is for the broker alone."""
    levels = text.split("/")
    return levels[2:] if levels[0] == "$share" else levels


def _check_filter(text: str) -> None:
    levels = _levels(text)
    for i, level in enumerate(levels):
        last = i == len(levels) - 1
        if ("#" in level and (level != "#" or not last)) or ("+" in level and level != "+"):
            raise ValueError(f"topic: expected + as a whole level and # as the last one, got {text!r}")
        if MARK in level and level != MARK:
            raise ValueError(f"topic: expected {MARK} as a whole level, got {text!r}")
    if not text or "\0" in text or levels.count(MARK) > 1:
        raise ValueError(f"topic: expected a filter with at most one {MARK}, got {text!r}")


def _by_mark(filters: list[list[str]]) -> Callable[[list[str]], str]:
    def machine(topic: list[str]) -> str:
        for levels in filters:
            if matches(levels, topic):
                return topic[levels.index(MARK)]
        raise InvalidEvent(f"expected a topic that a filter of this source takes, got {shown('/'.join(topic))}")

    return machine


def _by_level(level: int) -> Callable[[list[str]], str]:
    def machine(topic: list[str]) -> str:
        if level >= len(topic):
            raise InvalidEvent(f"expected a machine at level {level} of the topic, got {shown('/'.join(topic))}")
        return topic[level]

    return machine


def _level(rule: str, filters: Sequence[str]) -> int:
    digits = rule.removeprefix("topic:").strip()
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(f"machine: expected topic: and a level from 0, like topic:1, got {rule!r}")
    for text in filters:
        levels = _levels(text)
        if int(digits) >= len(levels) and levels[-1] != "#":
            raise ValueError(f"machine: expected a level from 0 to {len(levels) - 1} of {text!r}, got {digits}")
    return int(digits)


def _fixed(rule: str) -> str:
    try:
        return label("machine: a name", rule)
    except InvalidEvent as error:
        raise ValueError(str(error)) from None
