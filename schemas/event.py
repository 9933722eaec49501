"""What happened: one frozen record per event type.

Rules: a class is a type, a field is a field of the JSON line (docs/events.md lists them); fields are only ever added, with
a default; anything else is a new version with an upcaster. `t` is when it happened by the clock named in `clock`; `ingested`
is when it first entered a Tailrace log. `machine` is the key that orders events; "" is the site itself.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tailrace.schemas.instant import Instant, Span
from tailrace.schemas.reason import StopReason

Category = Literal["run", "unplanned", "setup", "planned_stop", "planned", "unknown"]
CounterName = Literal["total", "good", "reject"]
Scalar = float | int | bool | str


class Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="type"
):
    """Fields that every event has."""

    machine: str = ""
    t: Instant
    id: str = ""
    clock: str = ""
    seq: int | None = None
    ingested: Instant | None = None


class Interval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A half-open stretch [from, to) of a calendar."""

    kind: Literal["shift", "planned_stop"]
    start: Instant = msgspec.field(name="from")
    end: Instant = msgspec.field(name="to")
    name: str = ""


class Gap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A half-open stretch [from, to) inside a joined stop in which the machine was not down."""

    start: Instant = msgspec.field(name="from")
    end: Instant = msgspec.field(name="to")


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How buckets become an OEE; the first value of each is the default (oee semantics, docs/oee.md)."""

    base: Literal["planned", "total"] = "planned"
    microstop_s: Span = Span(300_000_000_000)
    setup: Literal["loss", "exclude"] = "loss"
    planned: Literal["exclude", "loss"] = "exclude"
    unknown: Literal["loss", "exclude"] = "loss"
    run_through: Literal["exclude", "include"] = "exclude"
    offplan_counts: Literal["exclude", "include"] = "exclude"
    rework: Literal["reject", "good"] = "reject"
    state_map: dict[str, Category] = {}


class Counter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a cumulative counter behaves, in parts; absent max_step: no rise is rejected."""

    modulus: int | None = None
    max_step: int | None = None
    backstep_max: int = 0


class StateChanged(Event, frozen=True, kw_only=True, tag="state.changed"):
    """A machine entered a state; it holds until the next one. native: the device's own word for it."""

    state: str
    native: str = ""


class PartsCounted(Event, frozen=True, kw_only=True, tag="parts.counted"):
    """Increments of parts; negative ones correct earlier ones. Without a product: the one running at t."""

    good: int = 0
    reject: int = 0
    rework: int = 0
    product: str = ""


class CounterRead(Event, frozen=True, kw_only=True, tag="counter.read"):
    """A cumulative counter stood at a value."""

    counter: CounterName
    value: int


class ProductChanged(Event, frozen=True, kw_only=True, tag="product.changed"):
    """From t on the machine makes a product; without a cycle its ideal cycle is unknown."""

    product: str
    ideal_cycle: Span | None = msgspec.field(default=None, name="ideal_cycle_s")


class ReasonAssigned(Event, frozen=True, kw_only=True, tag="reason.assigned"):
    """A person says what [from, to) really was; of overlapping ones the largest t stands.

    to: null while the machine is down: it holds until, from t on, the machine's states do not say unplanned. gaps: what of
    [from, to) it does not speak of, as what ran between two stops that are joined.
    """

    start: Instant = msgspec.field(name="from")
    end: Instant | None = msgspec.field(name="to")
    category: Category
    reason: str = ""
    by: str = ""
    comment: str = ""
    stop: str = ""
    expected_revision: int | None = None
    gaps: list[Gap] = []


class ReasonRetracted(Event, frozen=True, kw_only=True, tag="reason.retracted"):
    """Takes an edit back: `reason_id` is the id of the event of a reason, a split or a merge. stop: where a person saw it."""

    reason_id: str
    by: str = ""
    comment: str = ""
    expected_revision: int | None = None
    stop: str = ""


class StopSplit(Event, frozen=True, kw_only=True, tag="stop.split"):
    """A person cuts a stop in two at a time."""

    stop: str
    at: Instant
    by: str = ""
    expected_revision: int | None = None


class StopMerged(Event, frozen=True, kw_only=True, tag="stop.merged"):
    """A person joins stops into one: what parts them in (from, to] does so no more; what ran between them still ran.

    stops: ids, the earliest first. from, to: the starts of the first and of the last; absent: those that the fold knows by
    these ids. expected_revision: of the first; expected_revisions: of the others, by id.
    """

    stops: list[str]
    by: str = ""
    expected_revision: int | None = None
    start: Instant | None = msgspec.field(default=None, name="from")
    end: Instant | None = msgspec.field(default=None, name="to")
    expected_revisions: dict[str, int] = {}


class CalendarSet(Event, frozen=True, kw_only=True, tag="calendar.set"):
    """The shifts and planned stops from valid_from (default t) on; an empty list schedules nothing."""

    intervals: list[Interval]
    valid_from: Instant | None = None
    by: str = ""


class DefinitionSet(Event, frozen=True, kw_only=True, tag="definition.set"):
    """Makes a version of an OEE definition known; `default` makes it the site's."""

    name: str
    version: int
    policy: Policy = Policy()
    valid_from: Instant | None = None
    default: bool = False
    by: str = ""


class ReasonsSet(Event, frozen=True, kw_only=True, tag="reasons.set"):
    """The reasons that a plant offers for stops, all of them: the latest t stands."""

    reasons: list[StopReason]
    by: str = ""


class ModelSet(Event, frozen=True, kw_only=True, tag="model.set"):
    """Settings of an anomaly model from t on."""

    name: str
    version: int
    settings: dict[str, Any] = {}
    valid_from: Instant | None = None
    by: str = ""


class MachineRegistered(Event, frozen=True, kw_only=True, tag="machine.registered"):
    """Where a machine stands (ISA-95 site, area, line), how its counters behave, and the unit of each of its signals."""

    site: str = ""
    area: str = ""
    line: str = ""
    definition: str = ""
    counters: dict[CounterName, Counter] = {}
    units: dict[str, str] = {}


class RelationSet(Event, frozen=True, kw_only=True, tag="relation.set"):
    """A machine's neighbour: `feeds`, `part_of`, …"""

    relation: str
    other: str
    by: str = ""


class Telemetry(Event, frozen=True, kw_only=True, tag="telemetry"):
    """One reading: values by signal, cumulative counters, and what is known of their quality.

    A signal named in `quality` alone had no value. Quality: good, uncertain, bad, or an OPC UA status code.
    """

    values: dict[str, Scalar] = {}
    quality: dict[str, str | int] = {}
    counters: dict[CounterName, int] = {}


class ClockTicked(Event, frozen=True, kw_only=True, tag="clock.ticked"):
    """Time has come this far; `since` is where unbroken observation began, by source."""

    since: dict[str, Instant] = {}


class ConnectionLost(Event, frozen=True, kw_only=True, tag="connection.lost"):
    """A source can no longer see its machines."""

    source: str = ""
    reason: str = ""


class ConnectionRestored(Event, frozen=True, kw_only=True, tag="connection.restored"):
    """A source sees its machines again."""

    source: str = ""


class GapDetected(Event, frozen=True, kw_only=True, tag="gap.detected"):
    """A source's sequence jumped: what came between is missing."""

    source: str = ""
    session: str = ""
    first: int
    last: int


class IngestQuarantined(Event, frozen=True, kw_only=True, tag="ingest.quarantined"):
    """Something came in that cannot be taken: why, where, and its bytes as they were (base64 in JSON)."""

    source: str
    reason: str
    raw: bytes = b""
    where: str = ""


class SourceAccounted(Event, frozen=True, kw_only=True, tag="source.accounted"):
    """What became of one append of a source, in events: received = appended + duplicate + quarantined."""

    source: str
    received: int
    appended: int
    duplicate: int
    quarantined: int


class WorkOrder(Event, frozen=True, kw_only=True):
    """Fields of every work order event."""

    order: str
    product: str = ""
    quantity: int | None = None
    due: Instant | None = None
    by: str = ""


class WorkOrderReleased(WorkOrder, frozen=True, kw_only=True, tag="workorder.released"):
    """A work order may be started."""


class WorkOrderStarted(WorkOrder, frozen=True, kw_only=True, tag="workorder.started"):
    """A machine began a work order."""


class WorkOrderCompleted(WorkOrder, frozen=True, kw_only=True, tag="workorder.completed"):
    """A machine finished a work order."""


class WorkOrderCancelled(WorkOrder, frozen=True, kw_only=True, tag="workorder.cancelled"):
    """A work order will not be made."""


class BomSet(Event, frozen=True, kw_only=True, tag="bom.set"):
    """The components of one product, quantity per part."""

    product: str
    components: dict[str, float]
    version: str = ""
    by: str = ""


class QualityRecorded(Event, frozen=True, kw_only=True, tag="quality.recorded"):
    """A test result of a product or lot."""

    characteristic: str
    value: Scalar
    unit: str = ""
    passed: bool | None = None
    product: str = ""
    lot: str = ""
    by: str = ""


class AlarmAcknowledged(Event, frozen=True, kw_only=True, tag="alarm.acknowledged"):
    """A person has seen an alarm (ISA-18.2)."""

    alarm: str
    by: str = ""
    comment: str = ""


class AlarmShelved(Event, frozen=True, kw_only=True, tag="alarm.shelved"):
    """A person silences an alarm until a time (ISA-18.2)."""

    alarm: str
    until: Instant
    by: str = ""
    comment: str = ""


class ApprovalDecided(Event, frozen=True, kw_only=True, tag="approval.decided"):
    """A person said yes or no, and what was on the screen then."""

    approval: str
    decision: Literal["approved", "rejected"]
    by: str = ""
    comment: str = ""
    evidence: dict[str, Any] = {}


class CommandRequested(Event, frozen=True, kw_only=True, tag="command.requested"):
    """A person or system asks for a change; the fold judges it."""

    command: str
    arguments: dict[str, Any] = {}
    by: str = ""
    expected_revision: int | None = None


class ParkingReleased(Event, frozen=True, kw_only=True, tag="parking.released"):
    """A parked stream may go on: try again, skip the event, or take a patched one."""

    parked: str
    action: Literal["retry", "skip", "patched"]
    patch: dict[str, Any] = {}
    by: str = ""


class Effect(Event, frozen=True, kw_only=True):
    """Fields of every effect event."""

    effect: str
    key: str = ""
    detail: str = ""


class EffectAttempted(Effect, frozen=True, kw_only=True, tag="effect.attempted"):
    """The dispatcher is about to act outside."""


class EffectDone(Effect, frozen=True, kw_only=True, tag="effect.done"):
    """The outside confirmed."""


class EffectFailed(Effect, frozen=True, kw_only=True, tag="effect.failed"):
    """The outside refused."""


class EffectUnknown(Effect, frozen=True, kw_only=True, tag="effect.unknown"):
    """Nobody knows what the outside did."""


AnyEvent = (
    Telemetry
    | StateChanged
    | PartsCounted
    | CounterRead
    | ProductChanged
    | ReasonAssigned
    | ReasonRetracted
    | StopSplit
    | StopMerged
    | CalendarSet
    | DefinitionSet
    | ReasonsSet
    | ModelSet
    | MachineRegistered
    | RelationSet
    | ClockTicked
    | ConnectionLost
    | ConnectionRestored
    | GapDetected
    | IngestQuarantined
    | SourceAccounted
    | WorkOrderReleased
    | WorkOrderStarted
    | WorkOrderCompleted
    | WorkOrderCancelled
    | BomSet
    | QualityRecorded
    | AlarmAcknowledged
    | AlarmShelved
    | ApprovalDecided
    | CommandRequested
    | ParkingReleased
    | EffectAttempted
    | EffectDone
    | EffectFailed
    | EffectUnknown
)

TYPES: dict[str, type[Event]] = {str(c.__struct_config__.tag): c for c in AnyEvent.__args__}

SITE_WIDE = frozenset({"definition.set", "model.set", "clock.ticked"})
"""Types that may have no machine and then concern every machine of the site."""

NO_MACHINE = SITE_WIDE | frozenset(
    {
        "ingest.quarantined", "source.accounted", "connection.lost", "connection.restored", "gap.detected",
        "bom.set", "calendar.set", "reasons.set", "quality.recorded", "alarm.acknowledged", "alarm.shelved", "approval.decided",
        "command.requested", "parking.released", "workorder.released", "workorder.cancelled",
        "effect.attempted", "effect.done", "effect.failed", "effect.unknown",
    }
)  # fmt: skip
"""Types that may have no machine."""

OBSERVED = frozenset({"telemetry", "state.changed", "parts.counted", "counter.read", "product.changed", "clock.ticked"})
"""Types whose t is an observation: it moves the machine's watermark."""

OWN = "tailrace"
"""The source name of events that Tailrace writes itself; they are not in received/appended."""
