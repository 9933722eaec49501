"""A worker that Faust hosts, under the faults of test_kafka_faults.py and a rebalance that nothing comes after.

The package is the optional extra `faust`; it wants an older click than constraints.txt has, so `make check` is without it.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import test_kafka_faults as faults
from commands import tailrace
from kafka_plant import kafka_plant

INSTALLED = importlib.util.find_spec("faust") is not None
hosted = pytest.mark.skipif(not INSTALLED, reason="the optional extra `faust` is not installed")
FAULTS = (
    faults.test_a_worker_that_nobody_disturbs,
    faults.test_a_killed_worker_and_the_next_one,
    faults.test_a_second_worker_joins_and_leaves,
    faults.test_a_worker_that_was_frozen_for_longer_than_its_session,
    faults.test_a_broker_that_is_killed_and_comes_back,
    faults.test_outputs_that_are_not_acknowledged,
)


@pytest.fixture(autouse=True)
def runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the processes of tests/kafka_child.py run."""
    monkeypatch.setenv("RUNNER", "faust")


@hosted
@faults.seeds
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault(fault: Callable[[Path, int], Awaitable[None]], tmp_path: Path, seed: int) -> None:
    await fault(tmp_path, seed)


@hosted
@faults.seeds
async def test_a_loop_that_stalls_stays_in_the_group(tmp_path: Path, seed: int) -> None:
    """Faust's heartbeats have a thread of their own, so partitions do not change hands."""
    async with kafka_plant(tmp_path, seed) as plant:
        first, second = plant.start(stall_s=6.0, stall_at=40), plant.start()
        await plant.held(first, second)
        await plant.append(0.7)
        await plant.until(lambda: "stalls" in first.said, "the loop stalls")
        await plant.held(first, second)
        await plant.append(1.0)
        await plant.settle()


@hosted
@faults.seeds
async def test_partitions_that_change_hands_while_everything_is_read_and_nothing_comes_after(
    tmp_path: Path, seed: int
) -> None:
    async with kafka_plant(tmp_path, seed) as plant:
        await plant.append(1.0)
        first = plant.start()
        await plant.held(first)
        second = plant.start()
        await plant.held(first, second)
        assert await asyncio.to_thread(second.end) == 0
        await plant.settle()


@pytest.mark.skipif(INSTALLED, reason="the optional extra `faust` is installed")
def test_a_runner_that_is_not_installed_is_named(tmp_path: Path) -> None:
    (tmp_path / "plant.yaml").write_text('site: {name: T}\nlog: {kind: kafka, servers: ["127.0.0.1:9092"]}\n')
    assert "tailrace[faust]" in tailrace("worker", "--runner", "faust", tmp_path / "plant.yaml", code=2).stderr
