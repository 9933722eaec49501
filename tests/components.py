"""Real components that a test needs: on a newcomer's machine a missing one skips the test, in CI it fails it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRED = os.environ.get("TAILRACE_REQUIRE_COMPONENTS") == "1"
SHARED = Path(__file__).parents[2] / "shared"


def missing(what: str) -> NoReturn:
    """Ends the test: a failure where components are required, else a skip with its reason."""
    if REQUIRED:
        pytest.fail(f"{what} is missing and TAILRACE_REQUIRE_COMPONENTS=1")
    pytest.skip(f"{what} is missing")


def program(name: str) -> str:
    """The path of a program, looked for on PATH and where Debian keeps servers."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        missing(f"the program {name!r}")
    return found


def shared(path: str) -> Path:
    """A file of the folder that lies beside the checkout; the test is skipped where that folder is absent."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    return SHARED / path
