"""From an event to the page: how long after an append begins a machine's tile has changed in a real browser, on loopback.

Meanwhile eight machines send a reading of eight signals a second, so that folds, looks and figures are at work. What is timed is
the append of a state by another process (socket, fsync, acknowledgement), the fold, the rows, the look, the push, and the DOM.
Without Chromium there is no figure, which is said and is no failure.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # the plant and the browser of the tests

from playwright.sync_api import Page

from browsing import CHROMIUM, chromium, looking
from tailrace.app import compose
from tailrace.schemas import codec, frame
from tailrace.schemas.event import StateChanged
from tailrace.schemas.instant import Instant
from ui_plant import MACHINES, USUAL, Live, apart, shown

SAMPLES = 120
WARM = 10
GAP_S = 0.13
TARGET_MS = 500
MACHINE = MACHINES[3]

WATCH = """(machine) => {
  const tile = document.querySelector(`[data-machine="${machine}"]`).closest("a");
  window.seen = [];
  new MutationObserver(() => window.seen.push(performance.timeOrigin + performance.now()))
    .observe(tile, {attributes: true, attributeFilter: ["class"]});
}"""


async def machines_at_work(directory: Path, ended: threading.Event) -> None:
    """A reading a second from every machine, through the socket of `up`."""
    log, rng, n = compose.SocketLog(directory), np.random.default_rng(1), 0
    try:
        while not ended.is_set():
            now, n = time.time_ns(), n + 1
            for machine in MACHINES:
                columns = [
                    (frame.Column(name, "f8"), np.array([usual * rng.normal(1, 0.01)]), None)
                    for name, usual in USUAL.items()
                ]
                payload = frame.encode(np.array([now], np.int64), columns)
                record = codec.frame_record(
                    payload, machine=machine, ingested=now, source="bench", session=f"b{machine}", first_seq=n
                )
                await log.append([record])
            await asyncio.sleep(max(0.0, 1.0 - (time.time_ns() - now) / 1e9))
    finally:
        await log.close()


async def one(log: compose.SocketLog, state: str) -> float:
    """Appends a state; the Unix time in ms at which that began."""
    now = time.time_ns()
    event = StateChanged(machine=MACHINE, t=Instant(now), ingested=Instant(now), id=f"bench:{now}", state=state)
    await log.append([codec.record_of(event, source="bench")])
    return now / 1e6


def latencies(page: Page, live: Live) -> list[float]:
    """Milliseconds from the beginning of each append to the change of the tile."""
    page.wait_for_selector(f'[data-machine="{MACHINE}"]')
    page.evaluate(WATCH, MACHINE)
    found: list[float] = []
    for n in range(WARM + SAMPLES):
        began = apart(asyncio.run, _appended(live.directory, ("fault", "running")[n % 2]))
        page.wait_for_function("n => window.seen.length > n", arg=n, timeout=10_000)
        found.append(float(page.evaluate("n => window.seen[n]", n)) - began)
        page.wait_for_timeout(1000 * GAP_S)
    return found[WARM:]


async def _appended(directory: Path, state: str) -> float:
    log = compose.SocketLog(directory)
    try:
        return await one(log, state)
    finally:
        await log.close()


def main() -> int:
    if not CHROMIUM.exists():
        print(f"page: {CHROMIUM} is missing, so nothing is measured", flush=True)
        return 0
    ended = threading.Event()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, shown(Path(folder)) as live:
        work = threading.Thread(target=lambda: asyncio.run(machines_at_work(live.directory, ended)))
        work.start()
        try:
            with looking(browser, live.url) as page:
                found = sorted(latencies(page, live))
        finally:
            ended.set()
            work.join()
    p50, p95 = found[len(found) // 2], found[int(len(found) * 0.95)]
    print(f"page: event to DOM, p50  {p50:.0f} ms", flush=True)
    print(f"page: event to DOM, p95  {p95:.0f} ms  (target ≤ {TARGET_MS})", flush=True)
    return 0 if p95 <= TARGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
