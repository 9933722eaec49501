"""The package is whole: what stands in the checkout is in the wheel, and the wheel alone runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from components import missing

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = [name.removeprefix("tailrace").removeprefix(".") for name in SETTINGS["tool"]["setuptools"]["packages"]]
FOLDERS = [name for name in PACKAGES if name]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout, built from a copy so that no earlier build is in it."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("__init__.py", "pyproject.toml", "README.md", "LICENSE", *FOLDERS):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(copy / "dist"), str(copy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-2000:] + built.stdout[-2000:]
    assert "deprecat" not in (built.stdout + built.stderr).lower()
    (path,) = (copy / "dist").glob("*.whl")
    return path


def test_every_module_is_in_the_wheel(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    here = {f"tailrace/{folder}/{path.name}" for folder in FOLDERS for path in (ROOT / folder).glob("*.py")}
    assert packed == here | {"tailrace/__init__.py"}


def test_every_package_is_flat_and_listed() -> None:
    """A nested folder works editable and is missing from the wheel."""
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == set(FOLDERS)
    for folder in FOLDERS:
        stray = [path.name for path in (ROOT / folder).iterdir() if path.suffix != ".py" and path.name != "__pycache__"]
        assert stray == [], f"{folder}/ holds what no wheel would"
        assert SETTINGS["tool"]["setuptools"]["package-dir"][f"tailrace.{folder}"] == folder
        assert f"typings/tailrace/{folder}" in SETTINGS["tool"]["mypy"]["files"]


def test_the_wheel_alone_runs(wheel: Path, tmp_path: Path) -> None:
    """In a new environment outside the checkout, with nothing but what the wheel asks for."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    binaries = tmp_path / "env" / "bin"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    installed = subprocess.run(
        [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c",
         str(ROOT / "constraints.txt"), str(wheel)],
        capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
    )  # fmt: skip
    if installed.returncode and "No matching distribution" in installed.stderr:
        missing("a package index")
    assert installed.returncode == 0, installed.stderr[-2000:]

    def tailrace(*arguments: str) -> str:
        command = [str(binaries / "tailrace"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert SETTINGS["project"]["name"] in tailrace("--version")
    tailrace("init", "plant")
    assert json.loads(tailrace("validate", "plant/plant.yaml", "--json"))["sources"] == 2
    day = [
        {"type": "state.changed", "machine": "M1", "t": "2026-03-03T06:00:00Z", "state": "running"},
        {"type": "clock.ticked", "machine": "M1", "t": "2026-03-03T07:00:00Z"},
    ]
    (tmp_path / "day.jsonl").write_text("".join(json.dumps(each) + "\n" for each in day))
    assert json.loads(tailrace("import", "day.jsonl", "--dir", "data", "--json"))["appended"] == 2
    window = ("--from", "2026-03-03T06:00:00Z", "--to", "2026-03-03T07:00:00Z")
    assert json.loads(tailrace("oee", "--dir", "data", "--machine", "M1", *window, "--json"))["run"] == 3600
    drivers = (
        "import tailrace.connectors.source_mqtt, tailrace.connectors.source_opcua, tailrace; print(tailrace.__file__)"
    )
    where = subprocess.run(
        [str(binaries / "python"), "-c", drivers], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert str(tmp_path) in where.stdout
