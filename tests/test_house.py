"""The rules of the house hold, and each of them can be broken: a rule that nothing trips over is none."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
FILE_BYTES_MAX = 1 << 20


def tracked() -> list[Path]:
    """The files of the checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_constraints_are_exact_and_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert len(lines) > 20
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def test_no_file_is_large() -> None:
    assert [path.name for path in tracked() if path.stat().st_size > FILE_BYTES_MAX] == []


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("engine/log.py", "import sqlite3", "know no driver"),
        ("engine/log.py", "from tailrace.connectors import memory", "Layers"),
        ("schemas/event.py", "from tailrace.engine import log", "Layers"),
        ("connectors/memory.py", "from tailrace.projections import tables", "Layers"),
        ("topologies/oee.py", "import socket", "no input or output"),
    ],
)
def test_an_import_across_a_layer_is_found(tmp_path: Path, module: str, line: str, contract: str) -> None:
    package = tmp_path / "tailrace"
    package.mkdir()
    for folder in ("app", "connectors", "engine", "projections", "schemas", "topologies"):
        shutil.copytree(ROOT / folder, package / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "__init__.py", package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (package / module).open("a") as file:
        file.write(f"\n{line}\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from importlinter.cli import lint_imports_command as c; c()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--no-logo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(f"{contract}.* BROKEN", done.stdout), done.stdout


@pytest.mark.parametrize("line", ["from engine.log import Log", "import schemas", "from .log import Log"])
def test_an_import_that_only_works_in_the_checkout_is_found(line: str) -> None:
    command = [str(BIN / "ruff"), "check", "--select", "TID", "--stdin-filename", "engine/x.py", "-"]
    done = subprocess.run(command, input=f"{line}\n", cwd=ROOT, capture_output=True, text=True, check=False)
    assert "TID25" in done.stdout, done.stdout + done.stderr


def test_the_image_gets_every_package() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    copied = {
        line.split()[1] for line in text.splitlines() if line.startswith("COPY ") and not line.startswith("COPY --")
    }
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} <= copied
    assert re.search(r"^USER (?!root)", text, flags=re.MULTILINE)
    assert "HEALTHCHECK" in text


def test_ci_calls_make_check_and_requires_components() -> None:
    path = ROOT / ".ci" / "run"
    text = path.read_text()
    assert path.stat().st_mode & 0o111
    assert "make check" in text
    assert "TAILRACE_REQUIRE_COMPONENTS=1" in text
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
