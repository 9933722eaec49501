"""A place in a JSON document: `$`, `$.a.b`, `$.list[0]`, `$['a key']`.

Rules: a path names at most one place, so there are no wildcards; what is not there is ABSENT, which differs from null.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

_STEP = re.compile(r"""\.([^.\[\]'"\s*]+)|\[(\d{1,6})\]|\['([^']*)'\]|\["([^"]*)"\]""")


class Absent:
    """The type of ABSENT."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = Absent()


class Path:
    """A parsed path; `find` looks it up."""

    __slots__ = ("steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.steps = _steps(text)

    def find(self, document: Any) -> Any:
        """What stands at this path, or ABSENT."""
        for step in self.steps:
            if isinstance(step, str):
                if not isinstance(document, dict) or step not in document:
                    return ABSENT
            elif not isinstance(document, list) or step >= len(document):
                return ABSENT
            document = document[step]
        return document


def numbers(document: Any, prefix: str = "") -> Iterator[tuple[str, int | float]]:
    """Every number in a JSON object, named by its keys joined with dots; arrays are left out."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield prefix + key, value


def _steps(text: str) -> tuple[str | int, ...]:
    """The keys and indexes of a path; raises ValueError that names the fix."""
    if not text.startswith("$"):
        raise ValueError(f"expected a path into the payload that starts with $, like $.temp, got {text!r}")
    steps: list[str | int] = []
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(
                f"expected .name, [0] or ['a name'] in the path {text!r} at character {at + 1}, got {text[at:]!r}"
            )
        name, index, single, double = match.groups()
        steps.append(int(index) if index is not None else next(s for s in (name, single, double) if s is not None))
        at = match.end()
    return tuple(steps)
