"""Outputs of the anomaly fold as plain rows, for comparing."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

import oee_harness as harness
from tailrace.schemas import anomaly
from tailrace.schemas.event import Event
from tailrace.schemas.record import Derived, Record
from tailrace.topologies.anomaly import Anomaly

TOPOLOGY = Anomaly()

DECODERS: dict[str, Any] = {
    anomaly.RAISED: anomaly.decode_raised,
    anomaly.CLEARED: anomaly.decode_cleared,
    anomaly.LEARNED: anomaly.decode_learned,
    anomaly.DRIFTED: anomaly.decode_drifted,
    anomaly.CONFIGURED: anomaly.decode_configured,
}

Row = tuple[str, int, str, Any, int]
"""Machine, n, kind, what was said, position of the cause."""


def fold(log: Sequence[Record], rng: random.Random | None = None) -> list[Derived]:
    """The outputs of a log; with an rng in random batches, restored from its pages now and then."""
    return harness.fold(log, rng, TOPOLOGY)[1]


def rows(outputs: Sequence[Derived]) -> list[Row]:
    """Every output on its own, machine by machine in order of n; a score is (t, score as hex, model)."""
    found: list[Row] = []
    for output in outputs:
        if output.kind == anomaly.SCORED:
            scores = anomaly.decode_scores(output.body)
            assert len(scores) == output.n
            cells = zip(
                *(column.tolist() for column in (scores.t, scores.score, scores.model, scores.cause)), strict=True
            )
            for i, (t, score, model, cause) in enumerate(cells):
                found.append((output.key, output.first_n + i, output.kind, (t, score.hex(), model), cause))
        else:
            said = msgspec.structs.asdict(DECODERS[output.kind](output.body))
            found.append((output.key, output.first_n, output.kind, said, output.cause))
    return sorted(found, key=lambda row: row[:2])


def said(outputs: Sequence[Derived], kind: str) -> list[Any]:
    """What was said of one kind."""
    return [DECODERS[kind](output.body) for output in outputs if output.kind == kind]


def scores(outputs: Sequence[Derived]) -> dict[int, float]:
    """Scores by time."""
    found: dict[int, float] = {}
    for output in outputs:
        if output.kind == anomaly.SCORED:
            rows_ = anomaly.decode_scores(output.body)
            found.update(zip(rows_.t.tolist(), rows_.score.tolist(), strict=True))
    return found


def records(events: Iterable[Event], rng: random.Random | None = None) -> list[Record]:
    """Events as a log; rng: frames of random length, else of one reading."""
    return harness.records(events, rng)
