"""A YAML document as settings types; an error names the line, the field, what was expected, what came and what to do.

Rules: types decide what is legal (msgspec), `check` decides what types cannot say; both end in InvalidSettings and never in
a stack trace.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from tailrace.app.yaml_lines import Document, Path
from tailrace.schemas.errors import InvalidEvent, InvalidSettings
from tailrace.schemas.instant import Instant, Span, parse_instant, parse_span
from tailrace.schemas.wall import Day, LocalTime, WallTime, parse_day, parse_local, parse_wall

T = TypeVar("T")

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$?(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def convert(document: Document, kind: type[T], name: str) -> T:
    """The document as a value of a type; raises InvalidSettings."""
    try:
        return msgspec.convert(document.value, kind, dec_hook=_typed)
    except msgspec.ValidationError as error:
        path = _resolve(document.value, kind, str(error))
        raise located(document, path, _words(str(error), kind, document.value, path), name) from None


def located(document: Document, path: Path, problem: str, name: str) -> InvalidSettings:
    """The error that a problem at a path makes."""
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    return InvalidSettings(f"{name}:{document.line(path)}: {field or 'the file'}: {problem}")


_PARSERS: dict[type, Callable[[Any], Any]] = {
    Instant: parse_instant, Span: parse_span, WallTime: parse_wall, Day: parse_day, LocalTime: parse_local,
}  # fmt: skip


def _typed(kind: type, value: Any) -> Any:
    try:
        if parse := _PARSERS.get(kind):
            return parse(value)
    except InvalidEvent as error:
        raise ValueError(str(error)) from None
    raise NotImplementedError(kind.__name__)


def _resolve(value: Any, kind: type, message: str) -> Path:
    """The path of an error: msgspec says `[...]` for any key of a mapping, so each is tried alone."""
    match = _AT.match(message)
    steps = _STEP.findall(match["path"] or "") if match else []
    path: Path = ()
    for name, index in steps:
        if index == "...":
            path = (*path, _culprit(value, kind, path, message))
        else:
            path = (*path, name or int(index))
    if match and match["key"]:
        path = (*path, _culprit(value, kind, path, message))
    unknown = re.search(r"unknown field `([^`]+)`", message)
    return (*path, unknown[1]) if unknown else path


def _culprit(value: Any, kind: type, path: Path, message: str) -> str:
    whole = _get(value, path)
    keys = list(whole) if isinstance(whole, dict) else []
    for key in keys:
        try:
            msgspec.convert(_put(value, path, {key: whole[key]}), kind, dec_hook=_typed)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return str(key)
    return str(keys[0]) if keys else ""


def _get(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _put(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _put(value[path[0]], path[1:], new)
    return copy


def _words(message: str, kind: type, value: Any, path: Path) -> str:
    """msgspec's sentence in the order that a person reads: expected, got, what to do."""
    match = _AT.match(message)
    what = match["what"] if match else message
    if "unknown field" in what:
        fields = _fields(kind, value, path[:-1])
        return f"expected a field that is known here, got {path[-1]!r}; {nearest(str(path[-1]), fields)}"
    missing = re.search(r"missing required field `([^`]+)`", what)
    if missing:
        return f"expected a field {missing[1]!r}, got none; add it"
    if match and match["key"]:
        return f"expected one of {', '.join(_legal(kind, value, path[:-1], keys=True))}, got {path[-1]!r}"
    if what.startswith("Invalid"):
        return f"expected one of {', '.join(_legal(kind, value, path))}, got {_shown(_get(value, path))}"
    plain = _CODE.sub(lambda code: " or ".join(_PLAIN.get(word, word) for word in code[1].split(" | ")), what)
    shown = f", got {_shown(_get(value, path))}" if ", got" not in plain and plain.startswith("Expected") else ""
    return plain.replace("Expected", "expected") + shown


_CODE = re.compile(r"`([^`]*)`")
_PLAIN = {
    "object": "fields (name: value)",
    "array": "a list",
    "str": "text",
    "null": "nothing",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "fields" if isinstance(value, dict) else "a list"
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."


def _fields(kind: type, value: Any, path: Path) -> list[str]:
    """The names of the fields at a path."""
    info = _type_at(kind, value, path)
    if not isinstance(info, inspect.StructType):
        return []
    tag = [info.tag_field] if info.tag_field else []
    return tag + [field.encode_name for field in info.fields]


def _legal(kind: type, value: Any, path: Path, *, keys: bool = False) -> list[str]:
    """The words that are legal at a path, or as keys of the mapping there."""
    info = _type_at(kind, value, path)
    if keys and isinstance(info, inspect.DictType):
        info = info.key_type
    if isinstance(info, inspect.LiteralType):
        return [str(word) for word in info.values]
    parent = _type_at(kind, value, path[:-1], choose=False) if path else info
    members = parent.types if isinstance(parent, inspect.UnionType) else ()
    own = _type_at(kind, value, path, choose=False)
    if isinstance(own, inspect.UnionType):
        return [str(word) for each in own.types if isinstance(each, inspect.LiteralType) for word in each.values]
    return [str(each.tag) for each in members if isinstance(each, inspect.StructType) and each.tag is not None]


def _type_at(kind: type, value: Any, path: Path, *, choose: bool = True) -> Any:
    """What msgspec knows of the type at a path; of a union the member that the value means to be."""
    info: Any = inspect.type_info(kind)
    for step in path:
        info = _chosen(info, value)
        if isinstance(info, inspect.StructType):
            info = next((field.type for field in info.fields if field.encode_name == step), None)
        elif isinstance(info, inspect.DictType):
            info = info.value_type
        elif isinstance(info, inspect.ListType):
            info = info.item_type
        value = _get(value, (step,))
    return _chosen(info, value) if choose else info


def _chosen(info: Any, value: Any) -> Any:
    """Of a union, the member that the value means to be."""
    if isinstance(info, inspect.Metadata):
        info = info.type
    if not isinstance(info, inspect.UnionType):
        return info
    structs = [each for each in info.types if isinstance(each, inspect.StructType)]
    for each in structs:
        if each.tag_field and isinstance(value, dict) and value.get(each.tag_field) == each.tag:
            return each
    wanted = (inspect.StructType, inspect.DictType) if isinstance(value, dict) else inspect.ListType
    return next((each for each in info.types if isinstance(each, wanted)), info)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint naming what was probably meant."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
