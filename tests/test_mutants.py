"""Each guard of mutants.py is needed: without it a test goes red. And each still stands where the list says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "typings", "*.egg-info")
FAILED = 1
"""pytest's exit code where tests ran and some failed."""

each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.guard)


@each_mutant
def test_a_guard_stands_where_the_list_says(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.text) == 1
    path, _, name = mutant.test.partition("::")
    assert f"def {name}" in (ROOT / path).read_text()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout once more, for what must not be done to it."""
    copied = tmp_path_factory.mktemp("mutants") / "tailrace"
    shutil.copytree(ROOT, copied, ignore=LEFT_OUT)
    (copied / "typings").mkdir()
    (copied / "typings" / "tailrace").symlink_to("..")
    if (shared := ROOT.parent / "shared").is_dir():
        (copied.parent / "shared").symlink_to(shared.resolve())
    return copied


@pytest.mark.soak
@each_mutant
def test_without_a_guard_a_test_goes_red(mutant: Mutant, copy: Path) -> None:
    file = copy / mutant.file
    whole = file.read_text()
    file.write_text(whole.replace(mutant.text, mutant.instead))
    try:
        run = subprocess.run(
            [sys.executable, "-c", "import sys, pytest; sys.exit(pytest.main())", "-q", "-x", mutant.test],
            cwd=copy, env=os.environ | {"PYTHONPATH": str(copy / "typings"), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        file.write_text(whole)
    assert run.returncode == FAILED, (
        f"expected a red test in {mutant.test}, got:\n{run.stdout[-3000:]}{run.stderr[-1000:]}"
    )
    assert "error" not in run.stdout.splitlines()[-1], run.stdout[-3000:]
