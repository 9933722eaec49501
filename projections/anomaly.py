"""Projection `anomaly`: alarms as rows of `anomaly`, and scores put together by 5 minutes in `score_rollup`.

An alarm's row is there from its beginning and completed at its end. A score is taken once (engine/reader.py), so counts and sums
of scores are added to what is there; the sum is of whole millionths, so that it hangs on no order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from tailrace.engine.projection import Part
from tailrace.engine.store import Change
from tailrace.projections.texts import utc
from tailrace.schemas import anomaly
from tailrace.schemas.anomaly import Cleared, Raised, Scores
from tailrace.schemas.instant import MINUTE
from tailrace.schemas.record import Derived

SPAN = 5 * MINUTE
SCORE_MAX = 1e6
"""A score counts as at most so much in a sum: 10^12 millionths, so that a sum of 9 million scores still fits."""

KINDS = {anomaly.SCORED, anomaly.RAISED, anomaly.CLEARED}


class AnomalyRows:
    """The mapping for version 1 of topology `anomaly`."""

    name = "anomaly"
    reads: Literal["events", "derived"] = "derived"

    def wants(self, record: Derived) -> bool:
        return record.topology == anomaly.TOPOLOGY and record.version == 1 and bool(record.n)

    def changes(self, parts: Sequence[Part[Derived]]) -> list[Change]:
        alarms: dict[str, dict[str, Any]] = {}
        scores: list[dict[str, Any]] = []
        for record, skip in parts:
            if record.kind == anomaly.SCORED:
                scores += _scores(record.key, anomaly.decode_scores(record.body), skip)
            elif record.kind == anomaly.RAISED:
                alarm = anomaly.decode_raised(record.body)
                alarms[alarm.id] = _raised(record.key, alarm)
            elif record.kind == anomaly.CLEARED:
                end = anomaly.decode_cleared(record.body)
                alarms[end.id] = alarms.get(end.id, {}) | _cleared(record.key, end)
        return [Change("anomaly", list(alarms.values())), Change("score_rollup", add=scores)]


def _raised(machine: str, alarm: Raised) -> dict[str, Any]:
    return {
        "RecordID": alarm.id, "machine": machine, "AnomalyScore": alarm.score, "DetectionTime": utc(alarm.t), "t_ns": alarm.t,
        "since": utc(alarm.since), "since_ns": alarm.since, "event": alarm.event, "severity": alarm.severity,
        "explanation": anomaly.explanation(alarm.reasons, {}),
        "reasons": msgspec.json.encode(alarm.reasons).decode(), "product": alarm.product, "model": alarm.model,
        "flags": "incomplete" if alarm.missing else "",
    }  # fmt: skip


def _cleared(machine: str, end: Cleared) -> dict[str, Any]:
    return {
        "RecordID": end.id, "machine": machine, "severity": end.severity, "cleared": utc(end.t), "cleared_ns": end.t,
        "cleared_by": end.why, "peak": end.peak,
    }  # fmt: skip


def _scores(machine: str, found: Scores, skip: int) -> Iterator[dict[str, Any]]:
    t, score = found.t[skip:], found.score[skip:]
    starts, which = np.unique(t // SPAN * SPAN, return_inverse=True)
    highest = np.full(len(starts), -np.inf)
    np.maximum.at(highest, which, score)
    millionths = np.rint(np.minimum(score, SCORE_MAX) * 1e6).astype(np.int64)
    sums = np.zeros(len(starts), np.int64)
    np.add.at(sums, which, millionths)
    n, unusual = np.bincount(which), np.bincount(which, weights=score >= 1).astype(np.int64)
    for row in zip(starts.tolist(), n.tolist(), unusual.tolist(), highest.tolist(), sums.tolist(), strict=True):
        start, count, many, high, total = row
        yield {
            "machine": machine, "start_ns": start, "start": utc(start), "n": count, "unusual": many, "max": high,
            "sum_e6": total,
        }  # fmt: skip
