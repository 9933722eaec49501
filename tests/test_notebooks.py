"""The notebooks of examples/ run, from the first cell to the last, on a plant of two days, and their plots are drawn."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
notebooks: Any = nbformat  # it carries no types
NOTEBOOKS = {"month_of_oee": 2, "two_definitions": 1, "what_if": 1}
"""How many plots each has."""

DAYS = 2
CELL_S = 300
FIRST = """
import sys
sys.path.insert(0, {examples!r})
%matplotlib inline
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the folder of the notebooks stands; the first one makes it, as for a newcomer."""
    return tmp_path_factory.mktemp("notebooks") / "plant"


def test_every_notebook_is_run() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.ipynb")} == NOTEBOOKS.keys()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_and_its_plots_are_drawn(
    name: str, plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    notebook = notebooks.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not kept"
    (parameters,) = (i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    values = f"DAYS, FOLDER, WHAT_IF = {DAYS}, {str(plant)!r}, {str(tmp_path / 'if')!r}"
    notebook.cells[parameters + 1 : parameters + 1] = [
        notebooks.v4.new_code_cell(values), notebooks.v4.new_code_cell(FIRST.format(examples=str(ROOT / "examples"))),
    ]  # fmt: skip
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=CELL_S, kernel_name="python3", resources=where).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [
        base64.b64decode(output.data["image/png"]) for output in outputs if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == NOTEBOOKS[name]
    assert all(picture.startswith(b"\x89PNG") and len(picture) > 5000 for picture in pictures)
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
