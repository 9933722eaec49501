"""Labelled public data sets through the anomaly fold, and what came of them.

Rules: a run is one file as one machine. SKAB: eight sensors at 1 Hz, the first 400 rows are normal. Tennessee Eastman: 52 signals
every three minutes; d00.dat is normal, and the run's own rows follow it, with the fault from row 160 on. The first 400 rows
are the warm-up of every run and are not judged. A row is found when its score is 1 or more; an alarm is false when the row
that raised it is not labelled, even if it stands when a fault begins: then the fault is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas import anomaly, codec, frame
from tailrace.schemas.event import ModelSet
from tailrace.schemas.instant import DAY, MINUTE, SECOND, Instant, parse_instant
from tailrace.schemas.record import Derived, Record
from tailrace.topologies.anomaly import Anomaly

EPOCH = int(parse_instant("2026-01-05T00:00:00Z"))
WARMUP = anomaly.Settings().warmup
FRAME = 200
TEP_FAULT = 160


class Run(NamedTuple):
    """Rows of values (n, signals), which are labelled (n,), and ns between rows."""

    name: str
    signals: Sequence[str]
    values: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    step: int


class Result(NamedTuple):
    """Scores of the rows after the warm-up, their labels, and which rows raised an alarm; each (n,)."""

    name: str
    score: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    raised: NDArray[np.bool_]
    step: int


class Figures(NamedTuple):
    """f1, precision, recall: of rows, over all runs. false_share: of normal rows that score 1 or more.

    found: share of runs with a fault that raised an alarm. false_per_day: false alarms per day of normal rows.
    """

    f1: float
    precision: float
    recall: float
    false_share: float
    found: float
    false_per_day: float


def skab(folder: Path) -> Iterator[Run]:
    """The runs of SKAB that hold anomalies."""
    for path in sorted(folder.glob("*.csv")):
        if path.stem == "anomaly-free":
            continue
        head, *lines = path.read_text().splitlines()
        cells = np.array([[float(cell) for cell in line.split(";")[1:]] for line in lines])
        yield Run(path.stem, head.split(";")[1:9], cells[:, :8], cells[:, 8] > 0, SECOND)


def tep(folder: Path) -> Iterator[Run]:
    """The runs of the Tennessee Eastman process, each after the normal rows of d00.dat."""
    normal = np.loadtxt(folder / "d00.dat").T
    signals = [f"xmeas_{i}" for i in range(1, 42)] + [f"xmv_{i}" for i in range(1, 12)]
    for path in sorted(folder.glob("*_te.dat")):
        values = np.loadtxt(path)
        faulty = (np.arange(len(values)) >= TEP_FAULT) & (path.stem != "d00_te")
        labelled = np.concatenate([np.zeros(len(normal), np.bool_), faulty])
        yield Run(path.stem, signals, np.concatenate([normal, values]), labelled, 3 * MINUTE)


def records(run: Run, settings: dict[str, object] | None = None) -> list[Record]:
    """A run as a log of frames, after a model.set where there are settings."""
    found: list[Record] = []
    if settings:
        said = ModelSet(
            name="anomaly", version=1, settings=settings, t=Instant(EPOCH), id="settings", ingested=Instant(EPOCH)
        )
        found.append(codec.record_of(said))
    times = EPOCH + run.step * np.arange(len(run.values), dtype=np.int64)
    for lo in range(0, len(times), FRAME):
        part = slice(lo, lo + FRAME)
        columns = [(frame.Column(name, "f8"), run.values[part, i], None) for i, name in enumerate(run.signals)]
        payload = frame.encode(times[part], columns)
        found.append(
            codec.frame_record(payload, machine=run.name, ingested=0, source="set", session="s", first_seq=lo + 1)
        )
    return [msgspec.structs.replace(record, position=i) for i, record in enumerate(found, 1)]


def outputs(log: Sequence[Record]) -> list[Derived]:
    """What the fold says of a log."""
    return list(Anomaly().restore({}, lambda name: None).fold(log))


def judged(run: Run, settings: dict[str, object] | None = None) -> Result:
    """The scores and alarms of a run."""
    score, raised = np.zeros(len(run.values)), np.zeros(len(run.values), np.bool_)
    for output in outputs(records(run, settings)):
        if output.kind == anomaly.SCORED:
            rows = anomaly.decode_scores(output.body)
            score[(rows.t - EPOCH) // run.step] = rows.score
        elif output.kind == anomaly.RAISED:
            raised[(anomaly.decode_raised(output.body).t - EPOCH) // run.step] = True
    return Result(run.name, score[WARMUP:], run.labelled[WARMUP:], raised[WARMUP:], run.step)


def figures(results: Sequence[Result]) -> Figures:
    """What the results of a set come to."""
    found = np.concatenate([result.score >= 1 for result in results])
    labelled = np.concatenate([result.labelled for result in results])
    hits, wrong, missed = ((found & labelled).sum(), (found & ~labelled).sum(), (~found & labelled).sum())
    false = sum(int((result.raised & ~result.labelled).sum()) for result in results)
    faulty = [result for result in results if result.labelled.any()]
    seen = [bool((result.raised & result.labelled).any()) for result in faulty]
    days = sum(float((~result.labelled).sum()) * result.step / DAY for result in results)
    return Figures(
        f1=2 * hits / (2 * hits + wrong + missed), precision=hits / (hits + wrong), recall=hits / (hits + missed),
        false_share=wrong / (~labelled).sum(), found=sum(seen) / len(faulty), false_per_day=false / days,
    )  # fmt: skip


SETS: Mapping[str, tuple[Callable[[Path], Iterator[Run]], dict[str, object]]] = {
    "skab": (skab, {}),
    "tep": (tep, {"hold_s": 900, "cooldown_s": 900}),
}
"""How a set is read, and settings: times of an alarm are a few readings."""


def results(name: str, folder: Path) -> list[Result]:
    """A set's runs, judged."""
    read, settings = SETS[name]
    return [judged(run, settings) for run in read(folder / name)]


def raised(run: Run) -> list[anomaly.Raised]:
    """The alarms of a run."""
    return [anomaly.decode_raised(output.body) for output in outputs(records(run)) if output.kind == anomaly.RAISED]
