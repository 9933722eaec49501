"""Export: 10 million readings to Parquet, in a process of its own: CPU seconds of all its threads, and resident memory at most.

Machines are read once a second: 8 values with one decimal, and a total counter, in frames of 200, as in bench/archive.py. The log
stands hot in `events.db`. What the process took to start, and had resident before it began, is in the figures.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from archive import write
from figure import READINGS, show
from tailrace.app.cli import run

ROOT = Path(__file__).parents[1]
MACHINES = 4
SECONDS_MAX, MEMORY_MAX_MB = 30, 300


def main(millions: float) -> int:
    frames = round(millions * 1e6 / READINGS / MACHINES)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        folder = Path(name)
        asyncio.run(write(folder, frames, 1))
        done = subprocess.run([sys.executable, __file__, "export", name], stdout=subprocess.PIPE, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        rows = pq.read_metadata(folder / "out.parquet").num_rows
        assert rows == frames * MACHINES * READINGS, f"{rows} rows"
        reached = show("export: to Parquet", found["cpu"], f"CPU s for {rows:,} readings", at_most=SECONDS_MAX)
        reached &= show("export: resident", found["resident_mb"], "MB at most", at_most=MEMORY_MAX_MB)
        show("export: by the wall", found["seconds"], "s, whatever else runs")
        show("export: size", (folder / "out.parquet").stat().st_size / rows, "B per reading of 8 values")
    return 0 if reached else 1


def export(folder: Path) -> dict[str, float]:
    """One export: seconds, CPU seconds, resident MB."""
    begun = time.monotonic()
    code = run(["export", "--dir", str(folder), "--type", "telemetry", "--out", str(folder / "out.parquet"), "--json"])
    assert code == 0
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"seconds": time.monotonic() - begun, "cpu": time.process_time(), "resident_mb": resident}


if __name__ == "__main__":
    if sys.argv[1:2] == ["export"]:
        print(json.dumps(export(Path(sys.argv[2]))))
    else:
        sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 10))
