"""The anomaly fold: scores per CPU second after the warm-up, what a reading costs alone, a machine's state, and how well it finds
faults in the labelled sets (../shared/anomaly; left out where absent).

A machine brings eight sensors and two counters, eleven features, once a second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from figure import EPOCH, SIGNALS, cpu, show
from tailrace.schemas import codec, frame
from tailrace.schemas.instant import SECOND
from tailrace.schemas.record import Record
from tailrace.topologies.anomaly import Anomaly

TESTS = Path(__file__).parents[1] / "tests"
SHARED = Path(__file__).parents[2] / "shared" / "anomaly"
READINGS = 100_000
ALONE = 4_000
WARMUP = 400
STEP = 500
ROUNDS = 3


def records(readings: int, size: int, signals: int = len(SIGNALS)) -> Iterator[Record]:
    """Frames of a machine in order."""
    rng = np.random.default_rng(7)
    for number, first in enumerate(range(0, readings, size), 1):
        seconds = np.arange(first, first + size, dtype=np.int64)
        load = rng.normal(size=size)
        columns: list[Any] = [
            (frame.Column(f"Signal{i:02d}", "f8"), 70.0 + load + rng.normal(size=size), None) for i in range(signals)
        ]
        columns += [
            (frame.Column(name, "i8", counter=True), seconds // each, None)
            for name, each in (("reject", 90), ("total", 2))
        ]
        payload = frame.encode(EPOCH + seconds * SECOND, columns)
        record = codec.frame_record(payload, machine="M1", ingested=0, source="bench", session="m", first_seq=first + 1)
        yield msgspec.structs.replace(record, position=number)


def rate(log: list[Record], size: int, step: int) -> float:
    """Readings per CPU second after the warm-up, in steps of so many records."""
    state = Anomaly().restore({}, lambda name: None)
    warm = WARMUP // size
    state.fold(log[:warm])

    def scoring() -> None:
        for at in range(warm, len(log), step):
            state.fold(log[at : at + step])

    return (len(log) - warm) * size / cpu(scoring)


def page(signals: int) -> float:
    """KiB of a machine's page after a warm-up."""
    state = Anomaly().restore({}, lambda name: None)
    state.fold(list(records(2 * WARMUP, 200, signals)))
    return len(state.dirty()["anomaly:M1"]) / 1024


def sets() -> None:
    """How well the labelled sets are judged."""
    sys.path.insert(0, str(TESTS))
    import anomaly_sets  # noqa: PLC0415  a helper of the tests

    for name in anomaly_sets.SETS:
        found = anomaly_sets.figures(anomaly_sets.results(name, SHARED))
        show(f"anomaly: {name}: F1 of rows", found.f1, "of 1")
        show(f"anomaly: {name}: precision of rows", found.precision, "of 1")
        show(f"anomaly: {name}: recall of rows", found.recall, "of 1")
        show(f"anomaly: {name}: normal rows that score 1 or more", 100 * found.false_share, "%")
        show(f"anomaly: {name}: faulty runs that raised an alarm", 100 * found.found, "%")
        show(f"anomaly: {name}: false alarms", found.false_per_day, "per day")


def main() -> int:
    framed, alone = list(records(READINGS, 200)), list(records(ALONE, 1))
    reached = show(
        "anomaly: scores in frames of 200",
        max(rate(framed, 200, STEP) for _ in range(ROUNDS)) / 1e3,
        "k per CPU second",
        at_least=50,
    )
    wide = list(records(READINGS // 5, 200, 49))
    show("anomaly: scores of 52 features", max(rate(wide, 200, STEP) for _ in range(ROUNDS)) / 1e3, "k per CPU second")
    show("anomaly: a reading alone", 1e6 / max(rate(alone, 1, 1) for _ in range(ROUNDS)), "us of CPU")
    show("anomaly: page of 11 features", page(8), "KiB")
    show("anomaly: page of 52 features", page(49), "KiB")
    if SHARED.is_dir():
        sets()
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
