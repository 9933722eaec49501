"""The same bytes on every CPU, and never others under an unchanged version."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import (  # type: ignore[import-not-found, unused-ignore]
    __cpu_dispatch__,
    __cpu_features__,
)

GOLDEN = "816d36d01967371dad81c87717995006972e70a72f0352fb81e8c4838d2d8e84"
"""Changes only together with the version of the topology."""

FEATURES = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
"""What numpy uses here beyond its baseline."""


@pytest.mark.parametrize("disabled", ["", " ".join(FEATURES)], ids=["all of the CPU", "numpy's baseline"])
@pytest.mark.parametrize("core", ["Haswell", "Prescott"])
def test_outputs_are_the_golden_ones(core: str, disabled: str) -> None:
    settings = {"OPENBLAS_CORETYPE": core, "NPY_DISABLE_CPU_FEATURES": disabled}
    program = Path(__file__).with_name("anomaly_golden.py")
    done = subprocess.run(
        [sys.executable, str(program)], env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.strip() == GOLDEN
