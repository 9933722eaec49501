"""The anomaly fold on labelled public data: floors under what it reaches. The figures themselves: `make bench`."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

import anomaly_sets as sets
from components import shared


@pytest.fixture(scope="module")
def figures() -> Mapping[str, sets.Figures]:
    folder = shared("anomaly")
    return {name: sets.figures(sets.results(name, folder)) for name in sets.SETS}


def test_most_faulty_rows_of_skab_are_found(figures: Mapping[str, sets.Figures]) -> None:
    assert figures["skab"].f1 > 0.65
    assert figures["skab"].found > 0.7
    assert figures["skab"].false_share < 0.45


def test_faults_of_the_tennessee_eastman_process_are_found_with_hardly_a_false_alarm(
    figures: Mapping[str, sets.Figures],
) -> None:
    assert figures["tep"].f1 > 0.9
    assert figures["tep"].found == 1.0
    assert figures["tep"].false_share < 0.01
    assert figures["tep"].false_per_day < 0.5


def test_the_signal_that_a_fault_moves_is_among_the_reasons() -> None:
    """Faults 4 and 6 of the process: the reactor's cooling water (valve xmv_10), and the loss of feed A (xmeas_1, xmv_3)."""
    runs = {run.name: run for run in sets.tep(shared("anomaly") / "tep")}
    for name, wanted in (("d04_te", {"xmv_10"}), ("d06_te", {"xmeas_1", "xmv_3"})):
        alarms = sets.raised(runs[name])
        assert wanted & {reason.name for alarm in alarms[:1] for reason in alarm.reasons}
