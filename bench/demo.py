"""`tailrace demo` on a new folder: how soon there is a page, and how soon a month of history is in it.

Seconds of the wall from the start of the process, so whatever else runs on the machine counts against it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

DEMO = [sys.executable, "-c", "from tailrace.app.cli import main; main()", "demo", "--no-browser", "--port", "0"]
GIVE_UP_S = 300


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "said"
        with log.open("wb") as out:
            began = time.monotonic()
            environment = os.environ | {"PYTHONUNBUFFERED": "1"}
            child = subprocess.Popen([*DEMO, "--dir", f"{folder}/data"], stdout=out, stderr=out, env=environment)
        try:
            page = _when(lambda: _page(log), began, child)
            ready = _when(lambda: "Three things to try" in log.read_text(), began, child)
        finally:
            child.terminate()
            child.wait(30)
        print(f"demo: a page with tiles after  {page:.3g} s  (target ≤ 15)", flush=True)
        print(f"demo: a month of 8 machines worked out after  {ready:.3g} s  (target ≤ 60)", flush=True)


def _page(log: Path) -> bool:
    """Whether there are machines, and the page names them. It is asked for once: a page that was asked for is kept up."""
    found = re.search(r"page +(http://\S+/) ", log.read_text())
    if not found:
        return False
    try:
        with urllib.request.urlopen(f"{found[1]}api/v1/machines", timeout=10) as answer:
            if b"MCH010" not in answer.read():
                return False
        with urllib.request.urlopen(found[1], timeout=10) as answer:
            return b"MCH003" in answer.read()
    except OSError:
        return False


def _when(condition: object, began: float, child: subprocess.Popen[bytes]) -> float:
    assert callable(condition)
    while not condition():
        if child.poll() is not None or time.monotonic() - began > GIVE_UP_S:
            raise SystemExit("the demo did not get ready")
        time.sleep(0.05)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
