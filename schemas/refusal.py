"""Why a line was refused, in words: what was expected, what came, where.

Rule: msgspec says what came and where; this adds what would have been right, from the types themselves.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec

from tailrace.schemas.event import TYPES, Counter, Interval, Policy
from tailrace.schemas.reason import StopReason

_TYPE = re.compile(r"Invalid value '(?P<got>.*)' - at `\$\.type`", re.DOTALL)
_FIELD = re.compile(r"Object contains unknown field `(?P<got>[^`]*)`(?P<where>.*)", re.DOTALL)
_WORD = re.compile(r"Invalid enum value (?P<got>.*) - at (?P<where>.*)", re.DOTALL)
_NAME = re.compile(r"\.(\w+)")
_NESTED: dict[str, type[msgspec.Struct]] = {
    "intervals": Interval,
    "policy": Policy,
    "counters": Counter,
    "reasons": StopReason,
}
_TAG = re.compile(rb'"type"\s*:\s*"([\w.]+)"')
SHOWN = 80


def explained(message: str, line: bytes) -> str:
    """The message of a decoder about a line, completed."""
    if match := _TYPE.fullmatch(message):
        return f"expected the type of an event{_nearest(match['got'], TYPES)}, got {match['got'][:SHOWN]!r} in `type`"
    if match := _FIELD.fullmatch(message):
        known = _fields_at(match["where"], line)
        return f"expected a known field{_nearest(match['got'], known)}, got {match['got'][:SHOWN]!r}{match['where']}"
    if match := _WORD.fullmatch(message):
        names = _NAME.findall(match["where"]) or [""]
        words = (_REASON_WORDS if "reasons" in names[:-1] else _WORDS).get(names[-1], ())
        return f"expected one of {', '.join(words)}, got {match['got'][:SHOWN]} at {match['where']}"
    if message.startswith(("JSON is malformed", "Input data was truncated")):
        return f"expected one JSON object, got {line[:SHOWN]!r} ({message})"
    return message


def _nearest(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word[:SHOWN], known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" ({', '.join(known)})"


def _fields_at(where: str, line: bytes) -> list[str]:
    """Names that an object may have: of the nested struct that the path ends in, else of the event's type."""
    names = _NAME.findall(where)
    nested = _NESTED.get(names[-1]) if names else None
    tag = _TAG.search(line)
    struct = nested or TYPES.get(tag[1].decode() if tag else "")
    return [] if struct is None else ["type", *(field.encode_name for field in msgspec.structs.fields(struct))]


def _literals(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    for inner in get_args(kind) if get_origin(kind) is not Literal else ():
        yield from _literals(inner)


def _words(structs: Iterable[type[msgspec.Struct]]) -> dict[str, tuple[str, ...]]:
    """The words of every field that takes no other, by its name."""
    fields = [field for struct in structs for field in msgspec.structs.fields(struct)]
    return {field.encode_name: found for field in fields if (found := tuple(_literals(field.type)))}


_WORDS = _words((*TYPES.values(), Interval, Policy))
_REASON_WORDS = _words([StopReason])
