"""The read models as tables: one description for every database, with the unit and the source of every column.

Rules: `*_ns` are int64 nanoseconds (UTC since 1970, or a length); a time without a suffix is the same instant as text in UTC
with microseconds, for people and BI tools; OEE reads the `*_ns` only. Rows are policy-free (projections/oee_result.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tailrace.projections.column_types import ID, INSTANT, INT64, KEY, TEXT
from tailrace.schemas import bucket

metadata = sa.MetaData()

Columns = sa.sql.base.ReadOnlyColumnCollection[str, sa.ColumnElement[Any]]

ADD = "add"
"""How a column of a table takes part in `add` (engine/store.py), in its `info`: "sum" or "max"."""


def _column(
    name: str, kind: sa.types.TypeEngine[Any], comment: str, *, key: bool = False, add: str = ""
) -> sa.Column[Any]:
    info = {ADD: add} if add else {}
    return sa.Column(name, kind, primary_key=key, nullable=False, comment=comment, autoincrement=False, info=info)


def not_older(given: Columns, there: Columns, names: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether a row that is given stands over the one that is there: it is not smaller in these columns, the first first."""
    name, *rest = names
    if not rest:
        return given[name] >= there[name]
    return sa.or_(given[name] > there[name], sa.and_(given[name] == there[name], not_older(given, there, rest)))


def _summed() -> list[sa.Column[Any]]:
    """The columns of a table that sums up minutes of oee_bucket (projections/summaries.py)."""
    return [
        _column("minutes", INT64, "closed minutes of this product in it"),
        _column("revision", INT64, "largest revision of those minutes, 1 = never restated"),
        _column("known_from_ns", INT64, "latest ingest time of what caused them, ns UTC"),
        *(_column(name, INT64, _meaning(name).replace("the minute", "it")) for name in bucket.COLUMNS),
    ]


def _meaning(name: str) -> str:
    if name in bucket.TIME:
        return "ns of the minute in this schedule class and category"
    if name in bucket.PARTS:
        return "parts counted in this place, by grade"
    if name in bucket.IDEAL:
        return "ns: sum of ideal cycle x parts, where the cycle is known"
    if name in bucket.NO_IDEAL:
        return "parts whose ideal cycle is unknown"
    return "counter readings with this flag"


machine = sa.Table(
    "machine",
    metadata,
    _column("machine", KEY, "machine id (ISA-95 work unit)", key=True),
    sa.Column("site", TEXT, comment="ISA-95 site, from machine.registered"),
    sa.Column("area", TEXT, comment="ISA-95 area, from machine.registered"),
    sa.Column("line", TEXT, comment="ISA-95 production line, from machine.registered"),
    sa.Column("definition", TEXT, comment="name of the OEE definition the machine uses, '' = the site's"),
)

oee_bucket = sa.Table(
    "oee_bucket",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("start_ns", INT64, "start of the minute, ns UTC", key=True),
    _column("product", KEY, "product that ran, '' = none known", key=True),
    _column("start", INSTANT, "start of the minute, UTC"),
    _column("revision", INT64, "1 = never restated"),
    _column("known_from_ns", INT64, "ingest time of the record that caused this revision, ns UTC"),
    *(_column(name, INT64, _meaning(name)) for name in bucket.COLUMNS),
)

oee_history = sa.Table(
    "oee_history",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("start_ns", INT64, "start of the minute, ns UTC", key=True),
    _column("product", KEY, "product that ran, '' = none known", key=True),
    _column("revision", INT64, "of the row as it was, 1 = the first one", key=True),
    _column("start", INSTANT, "start of the minute, UTC"),
    _column("known_from_ns", INT64, "from when on this was what was known: ingest time of what caused it, ns UTC"),
    _column("known_to_ns", INT64, "until when: ingest time of what restated it, ns UTC"),
    _column("cause", TEXT, "id of the event that restated it; of several that came together the first"),
    _column("cause_type", KEY, "its type"),
    _column("cause_events", INT64, "events that came together with it, itself included"),
    _column("by", TEXT, "who said it, or the source that brought it"),
    _column("reason", TEXT, "why, in the words of who said it, '' = none"),
    *(_column(name, INT64, _meaning(name)) for name in bucket.COLUMNS),
)
"""Every earlier revision of a row of oee_bucket."""

shift = sa.Table(
    "shift",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("start_ns", INT64, "start of the shift, ns UTC", key=True),
    _column("name", KEY, "what the calendar calls it", key=True),
    _column("end_ns", INT64, "end of the shift, ns UTC"),
    _column("start", INSTANT, "start, UTC"),
    _column("end", INSTANT, "end, UTC"),
)

oee_hour = sa.Table(
    "oee_hour",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("start_ns", INT64, "start of the hour, ns UTC", key=True),
    _column("product", KEY, "product that ran, '' = none known", key=True),
    _column("start", INSTANT, "start of the hour, UTC"),
    *_summed(),
)

oee_shift = sa.Table(
    "oee_shift",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("start_ns", INT64, "start of the shift, ns UTC", key=True),
    _column("name", KEY, "what the calendar calls it", key=True),
    _column("product", KEY, "product that ran, '' = none known", key=True),
    _column("end_ns", INT64, "end of the shift, ns UTC"),
    _column("start", INSTANT, "start, UTC"),
    _column("end", INSTANT, "end, UTC"),
    *_summed(),
    sa.Index("oee_shift_start", "start_ns"),
)

state_interval = sa.Table(
    "state_interval",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("start_ns", INT64, "start, ns UTC", key=True),
    _column("start", INSTANT, "start, UTC"),
    sa.Column("end_ns", INT64, comment="end, ns UTC; null = it still holds"),
    sa.Column("end", INSTANT, comment="end, UTC; null = it still holds"),
    _column("state", KEY, "state word as the machine said it"),
    _column("category", KEY, "run, unplanned, setup, planned_stop or unknown"),
    _column("why", TEXT, "what made the state unknown, '' = the machine said it"),
)

stop = sa.Table(
    "stop",
    metadata,
    _column("id", KEY, "id of the stop; it survives growth", key=True),
    _column("machine", KEY, "machine id"),
    _column("start_ns", INT64, "start, ns UTC"),
    _column("start", INSTANT, "start, UTC"),
    sa.Column("end_ns", INT64, comment="end, ns UTC; null = the machine is still down"),
    sa.Column("end", INSTANT, comment="end, UTC; null = the machine is still down"),
    _column("state", KEY, "state word with which it began"),
    _column("category", KEY, "unplanned, or what the latest reason says"),
    _column("reason", TEXT, "reason a person gave, '' = none"),
    _column("by", TEXT, "who gave it"),
    _column("revision", INT64, "1 = never edited or restated"),
    _column("gaps", TEXT, "what ran inside a joined stop, [[start, end], ...] in ns UTC, '' = nothing"),
    _column("edit", TEXT, "id of the event of the last edit of it that stands, '' = none"),
    sa.Index("stop_time", "machine", "start_ns"),
    sa.Index("stop_start", "start_ns"),
)

command = sa.Table(
    "command",
    metadata,
    _column("id", ID, "id of the event that asked for a change", key=True),
    _column("stop", KEY, "the stop it was about"),
    _column("accepted", INT64, "1 = it stands, 0 = it was made on a revision that no longer stood"),
    _column("expected_revision", INT64, "the revision it was made on"),
    _column("revision", INT64, "the revision that stood when it was judged"),
)

reason = sa.Table(
    "reason",
    metadata,
    _column("said", ID, "id of the reasons.set event that says so", key=True),
    _column("reason", KEY, "what a person chooses", key=True),
    _column("t_ns", INT64, "when it was said, ns UTC; the rows of the latest stand"),
    _column("n", INT64, "its place in the tree, from 1"),
    _column("path", TEXT, "JSON list of the groups that it stands in, the outermost first"),
    _column("category", KEY, "category of a stop for this reason"),
    sa.Column("loss", KEY, comment="which of the six big losses; null = by category and length"),
    _column("machines", TEXT, "JSON list of machines for which it is offered, [] with no lines = all"),
    _column("lines", TEXT, "JSON list of lines for which it is offered"),
)
"""Every tree of reasons that was ever said."""

relation = sa.Table(
    "relation",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("relation", KEY, "feeds, part_of, ...", key=True),
    _column("other", KEY, "the other machine", key=True),
)

machine_now = sa.Table(
    "machine_now",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("state", KEY, "state word that holds; unknown while nobody watches"),
    _column("why", TEXT, "what made the state unknown, '' = the machine said it"),
    _column("since_ns", INT64, "since when it holds, ns UTC"),
    _column("since", INSTANT, "since when it holds, UTC"),
)

signal_clock = sa.Table(
    "signal_clock",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("signal", KEY, "name of the signal", key=True),
    _column("clock", ID, "clock that stamped the reading, '' = the source named none", key=True),
    _column("t_ns", INT64, "time of its latest reading by this clock, ns UTC"),
    _column("t", INSTANT, "time of that reading, UTC"),
    _column("seq", INT64, "order among readings of one time, -1 = none was said"),
    sa.Column("value", sa.Float(), comment="the number, in the signal's unit; null = no value or text"),
    sa.Column("text", TEXT, comment="the text; null = no value or a number"),
    _column("status", INT64, "OPC UA status code, 0 = good"),
    _column("position", INT64, "where it stands in the log, which orders readings of two clocks"),
)

signal_unit = sa.Table(
    "signal_unit",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("signal", KEY, "name of the signal", key=True),
    _column("unit", TEXT, "unit of its numbers, from machine.registered"),
)

signal_rollup = sa.Table(
    "signal_rollup",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("signal", KEY, "name of the signal", key=True),
    _column("resolution_s", INT64, "60 or 3600; a minute is there where it holds at least 2 readings", key=True),
    _column("start_ns", INT64, "start, ns UTC", key=True),
    _column("start", INSTANT, "start, UTC"),
    _column("n", INT64, "readings with a usable number"),
    _column("bad", INT64, "readings that are not usable (bad quality, or no value)"),
    sa.Column("min", sa.Float(), comment="smallest, in the signal's unit; null = no usable reading"),
    sa.Column("max", sa.Float(), comment="largest; null = no usable reading"),
    sa.Column("sum", sa.Float(), comment="sum; the mean is sum / n; null = no usable reading"),
    sa.Column("first", sa.Float(), comment="the earliest by its own time; null = no usable reading"),
    sa.Column("last", sa.Float(), comment="the latest by its own time; null = no usable reading"),
    sa.Column("first_t_ns", INT64, comment="time of the earliest, ns UTC"),
    sa.Column("last_t_ns", INT64, comment="time of the latest, ns UTC"),
    _column("revision", INT64, "1 = never restated"),
    _column("known_from_ns", INT64, "ingest time of the record that caused this revision, ns UTC"),
    sqlite_with_rowid=False,
)

anomaly = sa.Table(
    "anomaly",
    metadata,
    _column("RecordID", KEY, "hash of the reading that raised it; the same after every replay", key=True),
    sa.Column("machine", KEY, comment="machine id"),
    sa.Column("AnomalyScore", sa.Float(), comment="score of the reading that raised it; 1 = the threshold"),
    sa.Column("DetectionTime", INSTANT, comment="time of the reading that raised it, UTC"),
    sa.Column("t_ns", INT64, comment="the same, ns UTC"),
    sa.Column("since", INSTANT, comment="time of the first unusual reading, UTC"),
    sa.Column("since_ns", INT64, comment="the same, ns UTC"),
    sa.Column("event", TEXT, comment="id of the reading that raised it"),
    sa.Column("severity", KEY, comment="warning, major or critical; of the peak once it is cleared"),
    sa.Column("explanation", TEXT, comment="which features stood out, in words"),
    sa.Column("reasons", TEXT, comment="the same as JSON: name, value, expected, z, how"),
    sa.Column("product", KEY, comment="product that ran, '' = none known"),
    sa.Column("model", INT64, comment="which learning of the machine, from 1"),
    sa.Column(
        "flags",
        TEXT,
        comment="words with blanks between: incomplete = the model had features that this reading has not",
    ),
    sa.Column("cleared", INSTANT, comment="when it was over, UTC; null = it is not"),
    sa.Column("cleared_ns", INT64, comment="the same, ns UTC"),
    sa.Column("cleared_by", KEY, comment="calm or product; null = it is not over"),
    sa.Column("peak", sa.Float(), comment="highest score until it was over"),
    sa.Index("anomaly_time", "t_ns"),
    sa.Index("anomaly_machine", "machine", "t_ns"),
)

score_rollup = sa.Table(
    "score_rollup",
    metadata,
    _column("machine", KEY, "machine id", key=True),
    _column("start_ns", INT64, "start of 5 minutes, ns UTC", key=True),
    _column("start", INSTANT, "start, UTC", add="max"),
    _column("n", INT64, "scores", add="sum"),
    _column("unusual", INT64, "scores of 1 or more", add="sum"),
    _column("max", sa.Float(), "highest score", add="max"),
    _column("sum_e6", INT64, "sum of scores in millionths, each rounded; the mean is sum_e6 / n / 1e6", add="sum"),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    _column("id", ID, "id of the ingest.quarantined event", key=True),
    _column("t_ns", INT64, "when it came in, ns UTC"),
    _column("t", INSTANT, "when it came in, UTC"),
    _column("source", TEXT, "the source that brought it"),
    _column("place", TEXT, "file and line, topic or node"),
    _column("reason", TEXT, "what was expected and what came"),
    _column("raw", sa.LargeBinary(), "the bytes as they came"),
    sa.Index("quarantine_time", "t_ns"),
)

source_audit = sa.Table(
    "source_audit",
    metadata,
    _column("id", ID, "id of the source.accounted event", key=True),
    _column("source", TEXT, "the source"),
    _column("t_ns", INT64, "when, ns UTC"),
    *(
        _column(name, INT64, f"events {name} in that append")
        for name in ("received", "appended", "duplicate", "quarantined")
    ),
    sa.Index("source_audit_time", "t_ns"),
)

parked = sa.Table(
    "parked",
    metadata,
    _column("topology", KEY, "fold that cannot take a record", key=True),
    _column("machine", KEY, "machine whose records wait, '' = those of the whole site", key=True),
    _column("id", TEXT, "id of the event that cannot be folded; `parking.released` names it"),
    _column("position", INT64, "its position in the log"),
    _column("type", TEXT, "its type"),
    _column("reason", TEXT, "what was expected and what came"),
)

log_block = sa.Table(
    "log_block",
    metadata,
    _column("block", INT64, "a thousand positions of the log, from 0", key=True),
    _column("ingested_ns", INT64, "latest ingest time of a record in it, ns UTC", add="max"),
)

checkpoint = sa.Table(
    "checkpoint",
    metadata,
    _column("projection", ID, "name of the projection", key=True),
    _column("position", INT64, "last position of its log that is in the rows"),
    _column("marks", sa.LargeBinary(), "msgpack: highest n taken, by topology@version/key"),
)
