"""Production rate, defect ratio and cycle time, from the counters of machines that do what counters do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tailrace.schemas.event import CounterName
from tailrace.schemas.instant import SECOND
from tailrace.topologies.anomaly_flow import CYCLE, DEFECTS, NAMES, RATE, SMOOTH_S, Flow


def _flow(seconds: Sequence[int], **read: Sequence[int | None]) -> dict[str, list[float | None]]:
    kinds: dict[str, CounterName] = {"total": "total", "good": "good", "reject": "reject"}
    counts = {
        kinds[kind]: (np.array([v or 0 for v in values], np.int64), np.array([v is not None for v in values]))
        for kind, values in read.items()
    }
    values, present = Flow().take(np.array(seconds, np.int64) * SECOND, counts, {})
    return {
        name: [float(v) if there else None for v, there in zip(values[i], present[i], strict=True)]
        for i, name in enumerate(NAMES)
    }


def test_rate_ratio_and_cycle_of_a_steady_machine() -> None:
    seconds = list(range(0, 3600, 60))
    found = _flow(seconds, total=[100 + s // 10 for s in seconds], reject=[s // 100 for s in seconds])
    assert found[RATE][0] is None
    assert found[RATE][1:] == [pytest.approx(6.0)] * 59
    assert found[CYCLE][2:] == [pytest.approx(10.0)] * 58
    assert found[DEFECTS][-1] == pytest.approx(0.1, rel=0.05)


def test_rates_follow_within_the_smoothing_time() -> None:
    seconds = list(range(0, 7200, 60))
    total = [min(s, 3600) // 10 for s in seconds]
    found = _flow(seconds, total=total)
    stopped = found[RATE][seconds.index(3600) + int(SMOOTH_S) // 60]
    assert stopped is not None
    assert 1.5 < stopped < 3.0
    assert found[CYCLE][-1] is None
    assert found[DEFECTS] == [None] * 120


def test_parts_are_good_and_reject_where_there_is_no_total_and_defects_the_rest_where_there_is_no_reject() -> None:
    seconds = list(range(0, 600, 60))
    by_two = _flow(seconds, good=[9 * i for i in range(10)], reject=list(range(10)))
    by_rest = _flow(seconds, good=[9 * i for i in range(10)], total=[10 * i for i in range(10)])
    for found in (by_two, by_rest):
        assert found[RATE][1:] == [pytest.approx(10.0)] * 9
        assert found[DEFECTS][1:] == [pytest.approx(0.1)] * 9


def test_a_reset_a_late_and_a_missing_reading_are_no_burst() -> None:
    found = _flow([0, 60, 120, 90, 180, 240, 300], total=[50, 56, 62, 59, 0, None, 12])
    assert found[RATE] == [None, 6.0, 6.0, None, 4.0, None, 4.8]
    assert found[CYCLE] == [None, None, 10.0, None, None, None, 15.0]
