"""Rollups and shifts: the same bytes on every CPU, and never others under an unchanged version."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from test_anomaly_golden import FEATURES

GOLDEN = "facd4b649eb497db96021da61bd61e5601132861bf88ce5745563219e83eb28f"
"""Changes only together with the version of a topology."""


@pytest.mark.parametrize("disabled", ["", " ".join(FEATURES)], ids=["all of the CPU", "numpy's baseline"])
@pytest.mark.parametrize("core", ["Haswell", "Prescott"])
def test_outputs_are_the_golden_ones(core: str, disabled: str) -> None:
    settings = {"OPENBLAS_CORETYPE": core, "NPY_DISABLE_CPU_FEATURES": disabled}
    program = Path(__file__).with_name("rollup_golden.py")
    done = subprocess.run(
        [sys.executable, str(program)], env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.strip() == GOLDEN
