"""What a replay changes of a log: other OEE definitions, other settings of the anomaly model. The rest of the log stays.

Rules
1. `definition.FIELD` is a field of a policy (docs/oee.md), for every machine and all the time there is. Before the first record
   stand events of Tailrace's own: each version of a definition again, with that field another, under the next free numbers and
   the same valid_from, where it holds instead; and `what-if@1`, the defaults with that field another, as the site's definition
   before any. What was set stays in the log, so one folder can be judged by both.
2. `model.SETTING` is a setting of the anomaly model (docs/anomaly.md). Each `model.set` of it has that setting another, in its
   own place, since a fold keeps few of them; and one for the site stands before the first record.
3. These events came in with the first record, so what is known at a time is asked as before. They are a function of the log and
   of what is asked for: asked again they are the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tailrace.schemas import anomaly, codec, line
from tailrace.schemas.errors import InvalidEvent, InvalidSettings
from tailrace.schemas.event import OWN, DefinitionSet, Event, ModelSet, Policy
from tailrace.schemas.instant import EARLIEST, Instant
from tailrace.schemas.record import Record

NAME = "what-if"
DEFINITION, MODEL = "definition", "model"
SET = frozenset({"definition.set", "model.set"})
ALLOWED = tuple(
    f"{group}.{field.encode_name}"
    for group, kind in ((DEFINITION, Policy), (MODEL, anomaly.Settings))
    for field in msgspec.structs.fields(kind)
)


def parse(text: str) -> tuple[str, Any]:
    """name=value of a command line; a value is JSON, or a word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidSettings(f"override: expected NAME=VALUE, as definition.microstop_s=120, got {text!r}")
    try:
        return name.strip(), msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name.strip(), value.strip()


def require(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides by name; raises InvalidSettings for a name or a value that cannot be."""
    for name, value in overrides.items():
        if name not in ALLOWED:
            raise InvalidSettings(f"override {name!r}: expected one of {', '.join(ALLOWED)}")
        try:
            _overridden_policy(Policy(), {name: value})
            anomaly.settings_of(_of(MODEL, {name: value}))
        except (InvalidEvent, TypeError) as error:
            raise InvalidSettings(f"override {name}={value!r}: {error}") from None
    return {name: overrides[name] for name in sorted(overrides)}


class WhatIf:
    """The overrides of one replay. before: the records that stand before the first one.

    first: the first record of the log; said: its records of types SET that are replayed.
    """

    def __init__(self, overrides: Mapping[str, Any], first: Record | None, said: Iterable[Record]) -> None:
        self._overrides = overrides
        events = [event for record in said if record.intact() for event in codec.events_of(record)]
        for event in events:
            if isinstance(event, ModelSet) and event.name == anomaly.TOPOLOGY:
                self._require(event)
        self.before = [_record(event) for event in self._events(events, first)] if first and overrides else []

    def replaced(self, record: Record) -> Record:
        """The record as it stands in what-if's log."""
        settings = _of(MODEL, self._overrides)
        if not settings or record.type != "model.set" or not record.intact():
            return record
        (event,) = codec.events_of(record)
        if not isinstance(event, ModelSet) or event.name != anomaly.TOPOLOGY:
            return record
        other = msgspec.structs.replace(event, settings={**event.settings, **settings}, by=_by(self._overrides))
        payload = codec.record_of(other).payload
        return msgspec.structs.replace(record, payload=payload, crc32=zlib.crc32(payload))

    def _require(self, event: ModelSet) -> None:
        """Settings that a person made and the override together may be none, as k=4 with n=3."""
        try:
            anomaly.settings_of({**event.settings, **_of(MODEL, self._overrides)})
        except InvalidEvent as error:
            raise InvalidSettings(f"{_by(self._overrides)}, on model.set {event.id!r}: {error}") from None

    def _events(self, events: Sequence[Event], first: Record) -> Iterator[DefinitionSet | ModelSet]:
        head: dict[str, Any] = {
            "t": Instant(min(first.t_min, first.ingested)), "ingested": Instant(first.ingested), "clock": OWN,
            "by": _by(self._overrides),
        }  # fmt: skip
        if _of(DEFINITION, self._overrides):
            yield from self._definitions([e for e in events if isinstance(e, DefinitionSet)], head)
        settings = _of(MODEL, self._overrides)
        if settings:
            yield ModelSet(
                id=f"{NAME}:{anomaly.TOPOLOGY}", name=anomaly.TOPOLOGY, version=0, settings=settings,
                valid_from=Instant(EARLIEST), **head,
            )  # fmt: skip

    def _definitions(self, known: list[DefinitionSet], head: dict[str, Any]) -> Iterator[DefinitionSet]:
        if not any(each.default and not each.machine and _valid_from(each) == EARLIEST for each in known):
            yield DefinitionSet(
                id=f"{NAME}:definition:{NAME}@1", name=NAME, version=1, default=True, valid_from=Instant(EARLIEST),
                policy=_overridden_policy(Policy(), self._overrides), **head,
            )  # fmt: skip
        newest: dict[str, int] = {}
        for each in known:
            newest[each.name] = max(newest.get(each.name, 0), each.version)
        for each in sorted(known, key=lambda event: (event.version, event.t)):  # stable: then by place in the log
            version = newest[each.name] = newest[each.name] + 1
            yield DefinitionSet(
                id=f"{NAME}:definition:{each.name}@{version}", name=each.name, version=version, default=each.default,
                machine=each.machine, valid_from=Instant(_valid_from(each)),
                policy=_overridden_policy(each.policy, self._overrides), **head,
            )  # fmt: skip


def _of(group: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides of a group, by field."""
    stem = f"{group}."
    return {name.removeprefix(stem): value for name, value in overrides.items() if name.startswith(stem)}


def _overridden_policy(policy: Policy, overrides: Mapping[str, Any]) -> Policy:
    """The policy with other fields; values are checked as those of an events file are."""
    said = {"type": "definition.set", "t": 0, "name": NAME, "version": 1, "policy": _of(DEFINITION, overrides)}
    event = line.parse(msgspec.json.encode(said))
    assert isinstance(event, DefinitionSet)
    fields = {field.encode_name: field.name for field in msgspec.structs.fields(Policy)}
    return msgspec.structs.replace(
        policy, **{fields[name]: getattr(event.policy, fields[name]) for name in _of(DEFINITION, overrides)}
    )


def _valid_from(event: DefinitionSet) -> int:
    return int(event.t if event.valid_from is None else event.valid_from)


def _by(overrides: Mapping[str, Any]) -> str:
    return "override " + ", ".join(f"{name}={msgspec.json.encode(value).decode()}" for name, value in overrides.items())


def _record(event: DefinitionSet | ModelSet) -> Record:
    return codec.record_of(event, source=OWN, session=NAME)
