"""The columns of the frames that an analyst gets, each with its type, unit and meaning; docs/analysts.md shows the same tables.

Types: text; time (ns, UTC); number (float64); integer (int64); texts (a list). Units: `1` is a ratio from 0, `parts` are counted.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column of a frame; unit: '' = none."""

    name: str
    kind: str
    unit: str
    says: str


def _all(kind: str, unit: str, **says: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind, unit, text) for name, text in says.items())


EVENTS = (
    Column("machine", "text", "", "machine id, '' = the whole site"),
    Column("t", "time", "", "when it happened, by its clock"),
    Column("type", "text", "", "as in docs/events.md"),
    Column("id", "text", "", "of the event; `tailrace explain event` takes it"),
    Column("clock", "text", "", "which clock stamped it"),
    Column("seq", "integer", "", "order among equal t of one machine and clock, null = that of the log"),
    Column("ingested", "time", "", "when it first entered a log of Tailrace"),
    Column("fields", "text", "", "what else it says, as JSON, by the names of docs/events.md"),
)

READINGS = (
    Column("machine", "text", "", "machine id"),
    Column("t", "time", "", "when it was read"),
    Column("quality", "text", "", "null = all good, else JSON {signal: uncertain, bad or a status code}"),
)
"""What stands before the signals."""

OEE = (
    Column("machine", "text", "", "machine id"),
    Column("shift", "text", "", "what the calendar calls it; with every=\"shift\" alone"),
    Column("from", "time", "", "start of the window"),
    Column("to", "time", "", "its end, exclusive"),
    *_all(
        "number", "s",
        calendar="length of the window", not_scheduled="outside every shift", planned_stop="planned stops",
        excluded="left out by the policy", setup="set-up", breakdown="unplanned, in stops of microstop_s or longer",
        unknown="nobody knows", microstop="unplanned, in shorter stops", run="running", pbt="planned busy time",
        base="what OEE is judged on", operating="microstop + run",
    ),
    *_all(
        "integer", "parts",
        total="good + reject + rework", good="good parts", reject="rejected", rework="reworked",
        offplan_good="good, outside the plan", offplan_reject="the others, outside the plan",
    ),
    *_all("integer", "", breakdowns="how many begin in the window", microstops="how many begin in the window"),
    *_all(
        "number", "1",
        availability="operating ÷ base", performance="Σ ideal·total ÷ operating", quality="Σ ideal·good ÷ Σ ideal·total",
        quality_count="good ÷ total", oee="Σ ideal·good ÷ base", nee="net equipment effectiveness", ooe="of all scheduled time",
        teep="of all time", utilization="pbt ÷ calendar", first_pass_yield="good at once", scrap_ratio="reject ÷ total",
        rework_ratio="rework ÷ total",
    ),
    Column("throughput", "number", "parts/h", "total ÷ pbt"),
    Column("completeness", "number", "1", "observed part of the scheduled time"),
    *_all("number", "s", speed_loss="run − Σ ideal·total", quality_loss="Σ ideal·(total − good)", valuable="Σ ideal·good"),
    Column("flags", "texts", "", "what to know before one believes it (docs/oee.md)"),
    Column("definition", "texts", "", "name@version of the definitions, by time"),
    Column("revision", "integer", "", "1 = never restated, 0 = nothing is worked out yet"),
)  # fmt: skip

STOPS = (
    Column("id", "text", "", "of the stop; it survives growth"),
    Column("machine", "text", "", "machine id"),
    Column("start", "time", "", "when it began"),
    Column("end", "time", "", "when it was over, null = still open"),
    Column("duration_s", "number", "s", "its length, without what ran in a joined stop; of an open one until now"),
    Column("category", "text", "", "unplanned, setup, planned_stop or unknown"),
    Column("reason", "text", "", "what people say it was, '' = nothing yet"),
    Column("by", "text", "", "who said so"),
    Column("revision", "integer", "", "1, and one more for every edit that stands"),
)

ANOMALIES = (
    Column("RecordID", "text", "", "of the alarm"),
    Column("AnomalyScore", "number", "", "of the reading that raised it, 1 = the threshold"),
    Column("DetectionTime", "time", "", "when it was raised"),
    Column("machine", "text", "", "machine id"),
    Column("since", "time", "", "the first unusual reading"),
    Column("severity", "text", "", "of its highest score"),
    Column("explanation", "text", "", "what stood out, in words with units"),
    Column("reasons", "text", "", "the same as JSON: name, value, expected, z, how"),
    Column("product", "text", "", "what was made"),
    Column("flags", "texts", "", "what to know of it (docs/anomaly.md)"),
    Column("cleared", "time", "", "when it was over, null = it holds"),
    Column("cleared_by", "text", "", "calm, product or learning"),
    Column("peak", "number", "", "highest score, known once it is over"),
)

SIGNALS = (
    Column("machine", "text", "", "machine id"),
    Column("signal", "text", "", "its name, which is that of the column of `readings`"),
    Column("unit", "text", "", "as the plant says, '' = nobody said"),
    Column("t", "time", "", "when it was read last"),
    Column("value", "text", "", "the latest reading, a number as JSON"),
    Column("quality", "text", "", "good, uncertain, bad or a status code"),
)

CHANGES = (
    Column("model", "text", "", "the read model, or `oee` for the figures of a machine"),
    Column("change", "text", "", "added, removed or changed, from the first folder to the second"),
    Column("machine", "text", "", "machine id, null where the row is of none"),
    Column("key", "text", "", "the row's key as JSON"),
    Column("columns", "texts", "", "what differs; empty where a side lacks the row"),
    Column("before", "text", "", "these columns in the first folder as JSON, or the whole row; null = no row"),
    Column("after", "text", "", "the same in the second"),
)

FRAMES = {
    "events": EVENTS, "readings": READINGS, "oee": OEE, "stops": STOPS, "anomalies": ANOMALIES, "signals": SIGNALS,
    "diff": CHANGES,
}  # fmt: skip
