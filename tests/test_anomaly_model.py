"""What a score means: against linear algebra by numpy, against loops over single numbers, and on readings made for it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from anomaly_random import normal
from tailrace.schemas.anomaly import Settings
from tailrace.topologies.anomaly_distance import cholesky, distance, given_the_others
from tailrace.topologies.anomaly_learning import BYTES_MAX, SEEN_MIN, Learning, triangle
from tailrace.topologies.anomaly_model import Model
from tailrace.topologies.anomaly_usual import SHRINKAGE

NAMES = ["a", "b", "c", "d"]
SETTINGS = Settings(warmup=400)
LEARNED = 300

Matrix = NDArray[Any]


def readings(seed: int, n: int) -> Matrix:
    """Four features (4, n): b follows a, c is nearly flat at a high level, d is alone."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        a = normal(rng)
        rows.append((20 + a, 5 * a + normal(rng), 1e6 + 0.01 * normal(rng), normal(rng)))
    return np.array(rows).T


def learned(values: Matrix, present: Matrix | None = None, names: Sequence[str] = NAMES) -> Model:
    """A model after its warm-up."""
    model = Model("P1")
    there = np.ones(values.shape, np.bool_) if present is None else present
    assert model.warm(names, values, there, SETTINGS) == values.shape[1] == SETTINGS.warmup
    model.number = 1
    return model


def score(model: Model, values: Matrix, present: Matrix | None = None, names: Sequence[str] = NAMES) -> Matrix:
    there = np.ones(values.shape, np.bool_) if present is None else present
    return model.score(names, values, there, SETTINGS)[0]


def by_numpy(model: Model, warmup: Matrix, values: Matrix, present: Matrix) -> Matrix:
    """The score as it is defined, with BLAS."""
    known = warmup[:, :LEARNED]
    mean, deviation = known.mean(axis=1), known.std(axis=1, ddof=1)
    correlation = np.corrcoef(known) * (1 - SHRINKAGE) + SHRINKAGE * np.eye(len(known))
    limits = model.limits(SETTINGS)
    found = []
    for column, there in zip(values.T, present.T, strict=True):
        z = (column - mean)[there] / deviation[there]
        away = math.sqrt(z @ np.linalg.inv(correlation[np.ix_(there, there)]) @ z)
        most = (math.sqrt(2 * len(z) - 1) + limits.distance) / math.sqrt(2)
        found.append(max(abs(z).max() / limits.z, away / most if len(z) > 1 else 0.0))
    return np.array(found)


def test_the_score_is_what_linear_algebra_says() -> None:
    warmup, values = readings(1, 400), readings(2, 500) * 1.5
    everything = np.ones(values.shape, np.bool_)
    model = learned(warmup)
    np.testing.assert_allclose(score(model, values), by_numpy(model, warmup, values, everything), rtol=1e-4)


def test_what_a_reading_does_not_have_is_left_out_of_its_score() -> None:
    warmup, values = readings(1, 400), readings(2, 500) * 1.5
    present = np.array([[random.Random(7 * i + k).random() < 0.7 for i in range(500)] for k in range(4)])
    present[0, ~present.any(axis=0)] = True
    model = learned(warmup)
    expected = by_numpy(model, warmup, values, present)
    np.testing.assert_allclose(score(model, values, present), expected, rtol=1e-4)
    poisoned = np.where(present, values, 1e15)
    assert score(model, poisoned, present).tolist() == score(model, values, present).tolist()


def test_the_distance_is_the_same_to_the_bit_as_loops_over_single_numbers() -> None:
    rng = np.random.default_rng(5)
    factor = rng.normal(size=(7, 7))
    matrix = factor @ factor.T + np.eye(7)
    block = rng.normal(size=(7, 33))
    lower = cholesky(matrix)
    assert distance(lower, block).tolist() == [_distance(_cholesky(matrix.tolist()), row) for row in block.T.tolist()]
    np.testing.assert_allclose(lower, np.linalg.cholesky(matrix), rtol=1e-9)


def test_rows_do_not_touch_each_other() -> None:
    model, values = learned(readings(1, 400)), readings(2, 300)
    together = score(model, values)
    alone = [score(model, values[:, [i]])[0] for i in range(300)]
    assert together.tolist() == alone


def test_each_feature_is_judged_by_what_the_others_imply() -> None:
    rng = np.random.default_rng(5)
    factor = rng.normal(size=(5, 5))
    matrix = factor @ factor.T + np.eye(5)
    row = rng.normal(size=5)
    off, deviation = given_the_others(cholesky(matrix), row)
    for i in range(5):
        rest = [k for k in range(5) if k != i]
        weights = np.linalg.solve(matrix[np.ix_(rest, rest)], matrix[rest, i])
        assert off[i] == pytest.approx(row[i] - weights @ row[rest])
        assert deviation[i] == pytest.approx(math.sqrt(matrix[i, i] - weights @ matrix[rest, i]))


def test_one_is_where_a_usual_reading_hardly_ever_is_on_any_machine() -> None:
    shares = []
    for seed in range(10):
        model = learned(readings(seed, 400))
        shares.append(float((score(model, readings(seed + 100, 2000)) >= 1).mean()))
    assert max(shares) < 0.003


def test_a_broken_relation_is_found_though_every_level_is_usual() -> None:
    model = learned(readings(1, 400))
    row = np.array([[22.0], [-10.0], [1e6], [0.0]])
    there = np.ones((4, 1), np.bool_)
    assert score(model, row)[0] > 1.0
    reasons, missing = model.reasons(NAMES, row, there, SETTINGS)
    assert {reason.name for reason in reasons[:2]} == {"a", "b"}
    assert all(reason.how == "relation" for reason in reasons[:2])
    b = next(reason for reason in reasons if reason.name == "b")
    assert b.value == pytest.approx(-10.0)
    assert b.expected == pytest.approx(10.0, abs=1.0)
    assert b.z < -5.0
    assert missing == []


def test_a_level_is_told_with_its_mean() -> None:
    model = learned(readings(1, 400))
    row, there = np.array([[20.0], [0.0], [1e6], [30.0]]), np.array([[True], [True], [False], [True]])
    (reason, *_), missing = model.reasons(NAMES, row, there, SETTINGS)
    assert (reason.name, reason.how) == ("d", "level")
    assert reason.value == pytest.approx(30.0)
    assert reason.expected == pytest.approx(0.0, abs=0.2)
    assert reason.z == pytest.approx(30.0, abs=5.0)
    assert missing == ["c"]


def test_what_is_scored_is_never_learned() -> None:
    model = learned(readings(1, 400))
    row = np.array([[40.0], [100.0], [1e6], [0.0]])
    before, page = score(model, row)[0], model.page()
    for _ in range(3):
        score(model, np.repeat(row, 4000, axis=1))
    assert score(model, row)[0] == before > 1.0
    assert model.page() == page


def test_a_wild_end_of_the_warm_up_widens_the_limits_at_most_twice() -> None:
    warmup = readings(1, 400)
    warmup[3, 350:] *= 30
    limits = learned(warmup).limits(SETTINGS)
    assert limits.z == 2 * SETTINGS.z_limit
    calm = learned(readings(1, 400)).limits(SETTINGS)
    assert SETTINGS.z_limit <= calm.z < 1.5 * SETTINGS.z_limit
    assert SETTINGS.distance_limit <= calm.distance < 1.5 * SETTINGS.distance_limit


def test_features_that_cannot_be_measured_by_are_left_out() -> None:
    warmup, present = np.zeros((4, 400)), np.ones((4, 400), np.bool_)
    warmup[0] = readings(1, 400)[0]
    warmup[1] = 5.0
    warmup[3] = readings(1, 400)[3]
    present[3, SEEN_MIN - 1 :] = False
    model = learned(warmup, present)
    assert model.left_out == ["c", "d"]
    assert [feature.name for feature in model.features] == ["a", "b"]
    assert model.features[1].deviation == pytest.approx(0.05)
    assert (
        score(model, np.array([[20.0], [5.01], [9.0], [9.0]]))[0]
        < 1
        < score(model, np.array([[20.0], [6.0], [0.0], [0.0]]))[0]
    )


def test_signals_of_any_size_give_finite_scores() -> None:
    scales = np.array([[1e-19], [1e-9], [1e14], [1.0]])
    warmup, values = readings(1, 400) / 40 * scales, readings(2, 100) * scales
    found = score(learned(warmup), values)
    assert np.isfinite(found).all()
    assert found.min() > 1.0


def test_what_moved_too_little_for_its_digits_goes_with_nothing() -> None:
    warmup = readings(1, 400)
    warmup[0] = 1e-12 + 1e-20 * readings(3, 400)[3]
    warmup[1] = 1e-12 + 2e-20 * readings(3, 400)[3]
    page = learned(warmup).page()
    assert triangle(page.correlation, 4)[1, 0] == 0.0


def test_missing_values_leave_correlations_a_matrix_of_squares() -> None:
    rng = np.random.default_rng(3)
    load = rng.normal(size=300)
    learning = Learning()
    for i in range(300):
        row = {f"s{k:02d}": load[i] + 0.01 * rng.normal() for k in range(12) if rng.random() < 0.3}
        learning.learn({name: float(value) for name, value in row.items()})
    usual, _ = learning.usual()
    assert np.linalg.eigvalsh(usual.correlation.astype(np.float64)).min() > -SHRINKAGE / 10
    assert np.isfinite(cholesky(usual.correlation * (1 - SHRINKAGE) + SHRINKAGE * np.eye(12))).all()


def test_a_model_has_room_for_so_many_features_and_says_when_there_were_more() -> None:
    learning = Learning()
    for i in range(60):
        learning.learn({f"signal-{k:03d}": float(i % 7 + k) for k in range(80)})
    assert learning.full
    assert 45 <= len(learning.names) < 60
    names = [f"x{k:02d}" * 21 for k in range(80)]
    learning = Learning()
    learning.learn(dict.fromkeys(names, 1.0))
    assert learning.names == sorted(names)[: len(learning.names)]
    sums = learning.sums()
    assert sum(map(len, sums.names)) + len(sums.moments) + len(sums.products) < BYTES_MAX


def test_every_setting_is_documented_with_its_default() -> None:
    text = (Path(__file__).parents[1] / "docs" / "anomaly.md").read_text()
    for name, default in msgspec.structs.asdict(Settings()).items():
        shown = msgspec.json.encode(int(default) if isinstance(default, float) else default).decode()
        assert f"| `{name}` | `{shown}` |" in text


def _cholesky(matrix: list[list[float]]) -> list[list[float]]:
    """Column by column, each number on its own, in the order that anomaly_distance writes."""
    size = len(matrix)
    rest, lower = [list(row) for row in matrix], [[0.0] * size for _ in matrix]
    for i in range(size):
        for k in range(i, size):
            lower[k][i] = rest[k][i] / math.sqrt(rest[i][i])
        for k in range(i + 1, size):
            for j in range(i + 1, size):
                rest[k][j] -= lower[k][i] * lower[j][i]
    return lower


def _distance(lower: list[list[float]], row: list[float]) -> float:
    total, out = 0.0, list(row)
    for i in range(len(row)):
        out[i] /= lower[i][i]
        for k in range(i + 1, len(row)):
            out[k] -= lower[k][i] * out[i]
    for value in out:
        total = total + value * value
    return math.sqrt(total)
