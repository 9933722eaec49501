"""How a figure is shown, and what it is measured on: every bench prints lines of `name  value unit  (target ≥ value)`, or ≤.

Rules: CPU time of the process, for a shared machine stretches the wall's; the best of several rounds, for noise only adds;
both sides of a ratio in one run, turn by turn. A bench ends with exit code 1 where a target of its own is missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailrace.schemas import frame
from tailrace.schemas.instant import SECOND, parse_instant

EPOCH = int(parse_instant("2026-01-05T00:00:00Z"))
READINGS = 200
SIGNALS = tuple(f"Signal{i}" for i in range(8))


def show(
    name: str, value: float, unit: str, at_least: float | None = None, *, at_most: float | None = None
) -> bool:  # fmt: skip
    """Prints a figure; whether it reaches its target."""
    target = "" if at_least is None else f"  (target ≥ {at_least:g})"
    target += "" if at_most is None else f"  (target ≤ {at_most:g})"
    shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    print(f"{name}  {shown} {unit}{target}", flush=True)
    return (at_least is None or value >= at_least) and (at_most is None or value <= at_most)


def cpu(calls: Callable[[], object]) -> float:
    """CPU seconds of a call, of all threads."""
    begun = time.process_time()
    calls()
    return time.process_time() - begun


def payload(
    number: int, *, ids: bool = False, counter: bool = False, decimals: int | None = None, seed: int | None = None
) -> bytes:
    """Frame `number` of a machine that is read once a second: 200 readings of 8 values, and a total that counts up.

    decimals: values are rounded as a sensor does, else they have all their bits. seed: of the values, by default the number.
    """
    rng = np.random.default_rng(number if seed is None else seed)
    seconds = np.arange(number * READINGS, (number + 1) * READINGS, dtype=np.int64)
    columns: list[tuple[frame.Column, NDArray[Any], None]] = [
        (frame.Column(name, "f8"), _rounded(rng.normal(70.0, 5.0, READINGS), decimals), None) for name in SIGNALS
    ]
    if counter:
        columns.append((frame.Column("total", "i8", counter=True), seconds // 2, None))
    names = [f"m1-{second:09d}" for second in seconds] if ids else []
    return frame.encode(EPOCH + seconds * SECOND, columns, ids=names)


def _rounded(values: NDArray[np.float64], decimals: int | None) -> NDArray[np.float64]:
    return values if decimals is None else np.round(values, decimals)
