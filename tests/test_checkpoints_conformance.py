"""The one contract of the port `Checkpoints`, run by every adapter. Differences are features that an adapter declares."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

import unit_adapters
from log_files import failing_writes
from tailrace.connectors.checkpoints_kafka import KafkaCheckpoints
from tailrace.connectors.checkpoints_sqlite import SqliteCheckpoints
from tailrace.connectors.memory import MemoryCheckpoints
from tailrace.engine.checkpoints import Checkpoints, Manifest
from tailrace.engine.unit import unit
from tailrace.schemas.errors import StaleWriter, Unavailable

Adapter = unit_adapters.Adapter[Checkpoints]
MADE = unit_adapters.Made(MemoryCheckpoints, SqliteCheckpoints, KafkaCheckpoints)


@pytest.fixture(params=unit_adapters.KINDS)
async def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Adapter]:
    async for each in unit_adapters.adapters(request, tmp_path, MADE):
        yield each


@pytest.fixture
async def checkpoints(adapter: Adapter) -> Checkpoints:
    return await adapter.open()


def manifest(position: int, base: int = 0, *, topology: str = "oee", version: int = 1) -> Manifest:
    return Manifest(
        topology=topology, version=version, position=position, record_hash=bytes([position % 256]) * 16,
        derived_end=2 * position, marks={"M1": position, "Fräse": 7}, base=base,
    )  # fmt: skip


async def positions(checkpoints: Checkpoints, topology: str = "oee", version: int = 1) -> list[int]:
    return [each.position for each in await checkpoints.manifests(topology, version)]


async def test_nothing_was_saved(checkpoints: Checkpoints) -> None:
    assert list(await checkpoints.manifests("oee", 1)) == []
    with pytest.raises(StaleWriter, match=r"oee@1: expected one of .*\[\], got 5"):
        checkpoints.page("oee", 1, "a", 5)


async def test_a_checkpoint_comes_back_as_it_was(checkpoints: Checkpoints) -> None:
    page = bytes(range(256)) * 4000
    await checkpoints.save(manifest(10), {"M1/2026-11-20": page, "empty": b""})
    assert list(await checkpoints.manifests("oee", 1)) == [manifest(10)]
    assert checkpoints.page("oee", 1, "M1/2026-11-20", 10) == page
    assert checkpoints.page("oee", 1, "empty", 10) == b""
    assert checkpoints.page("oee", 1, "never", 10) is None


async def test_the_newest_two_stay_newest_first(checkpoints: Checkpoints) -> None:
    await checkpoints.save(manifest(10), {})
    await checkpoints.save(manifest(20, 10), {})
    assert await positions(checkpoints) == [20, 10]
    await checkpoints.save(manifest(30, 20), {})
    assert await positions(checkpoints) == [30, 20]


async def test_a_page_holds_until_a_newer_one(checkpoints: Checkpoints) -> None:
    await checkpoints.save(manifest(10), {"a": b"a10", "b": b"b10"})
    await checkpoints.save(manifest(20, 10), {"a": b"a20"})
    assert [checkpoints.page("oee", 1, name, 10) for name in "ab"] == [b"a10", b"b10"]
    assert [checkpoints.page("oee", 1, name, 20) for name in "ab"] == [b"a20", b"b10"]
    await checkpoints.save(manifest(30, 20), {"c": b"c30"})
    assert [checkpoints.page("oee", 1, name, 20) for name in "abc"] == [b"a20", b"b10", None]
    assert [checkpoints.page("oee", 1, name, 30) for name in "abc"] == [b"a20", b"b10", b"c30"]


@pytest.mark.parametrize("position", [0, 5, 10, 15, 25, 35])
async def test_where_no_checkpoint_is_kept_pages_may_be_gone(checkpoints: Checkpoints, position: int) -> None:
    for at in (10, 20, 30):
        await checkpoints.save(manifest(at, at - 10), {"a": str(at).encode()})
    with pytest.raises(StaleWriter, match=rf"oee@1: expected one of .*\[20, 30\], got {position}"):
        checkpoints.page("oee", 1, "a", position)


async def test_a_save_takes_away_what_came_after_its_base(checkpoints: Checkpoints) -> None:
    """A worker that restored an older checkpoint has another future than the one whose newer checkpoint did not hold."""
    await checkpoints.save(manifest(10), {"a": b"a10", "b": b"b10"})
    await checkpoints.save(manifest(20, 10), {"a": b"other", "b": b"other", "c": b"other"})
    await checkpoints.save(manifest(30, 10), {"a": b"a30"})
    assert await positions(checkpoints) == [30, 10]
    assert [checkpoints.page("oee", 1, name, 30) for name in "abc"] == [b"a30", b"b10", None]
    await checkpoints.save(manifest(15), {"b": b"b15"})
    assert await positions(checkpoints) == [15]
    assert [checkpoints.page("oee", 1, name, 15) for name in "abc"] == [None, b"b15", None]


async def test_a_base_that_is_gone_is_refused_and_changes_nothing(checkpoints: Checkpoints) -> None:
    for at in (10, 20, 30):
        await checkpoints.save(manifest(at, at - 10), {"a": str(at).encode()})
    for base in (10, 25, 40):
        with pytest.raises(StaleWriter, match=rf"expected .*\[20, 30\], got {base}"):
            await checkpoints.save(manifest(50, base), {"a": b"50"})
    assert await positions(checkpoints) == [30, 20]
    assert checkpoints.page("oee", 1, "a", 30) == b"30"


async def test_saving_again_is_safe(checkpoints: Checkpoints) -> None:
    await checkpoints.save(manifest(10), {"a": b"a10"})
    for _ in range(2):
        await checkpoints.save(manifest(20, 10), {"a": b"a20"})
    assert await positions(checkpoints) == [20, 10]
    assert [checkpoints.page("oee", 1, "a", at) for at in (10, 20)] == [b"a10", b"a20"]


async def test_streams_are_apart_by_topology_and_version(checkpoints: Checkpoints) -> None:
    for topology, version in (("oee", 1), ("oee", 2), ("anomaly", 1)):
        await checkpoints.save(manifest(10, topology=topology, version=version), {"a": f"{topology}{version}".encode()})
    await checkpoints.save(manifest(20, 10), {"a": b"new"})
    await checkpoints.save(manifest(30), {})
    assert await positions(checkpoints) == [30]
    assert checkpoints.page("oee", 2, "a", 10) == b"oee2"
    assert checkpoints.page("anomaly", 1, "a", 10) == b"anomaly1"


@pytest.mark.parametrize("seed", range(20))
async def test_random_lines_of_checkpoints_hold_what_a_full_copy_holds(checkpoints: Checkpoints, seed: int) -> None:
    """Against full copies: at every kept checkpoint, every page is the one that its worker had."""
    random = Random(seed)
    copies: dict[int, Mapping[str, bytes]] = {0: {}}
    for step in range(1, 60):
        kept = await positions(checkpoints)
        base = random.choice([0, *kept]) if random.random() < 0.2 else max(kept, default=0)
        position = max([base, *kept]) + random.randint(1, 5) if random.random() < 0.7 else base + random.randint(1, 5)
        dirty = {f"p{random.randrange(8)}": f"{step}".encode() for _ in range(random.randrange(4))}
        copies[position] = {**copies[base], **dirty}
        await checkpoints.save(manifest(position, base), dirty)
        for at in await positions(checkpoints):
            held = {f"p{i}": checkpoints.page("oee", 1, f"p{i}", at) for i in range(8)}
            assert {name: page for name, page in held.items() if page is not None} == copies[at]


async def test_no_call_suspends(adapter: Adapter, checkpoints: Checkpoints) -> None:
    if not adapter.instant:
        pytest.skip("these checkpoints are elsewhere")
    for call in (checkpoints.save(manifest(1), {"a": b""}), checkpoints.manifests("oee", 1)):
        with pytest.raises(StopIteration):
            call.send(None)


async def test_what_is_saved_is_there_when_it_is_opened_again(adapter: Adapter) -> None:
    if not adapter.durable:
        pytest.skip("nothing of these checkpoints outlives them")
    before = await adapter.open()
    await before.save(manifest(10), {"a": b"a10"})
    await adapter.close()
    again = await adapter.open()
    assert list(await again.manifests("oee", 1)) == [manifest(10)]
    assert again.page("oee", 1, "a", 10) == b"a10"


async def test_a_save_is_part_of_a_larger_step(adapter: Adapter) -> None:
    if not adapter.joins:
        pytest.skip("these checkpoints have no transactions")
    checkpoints = await adapter.open()
    await checkpoints.save(manifest(10), {"a": b"a10"})
    with suppress(ZeroDivisionError), unit(adapter.connection):
        await checkpoints.save(manifest(20), {"a": b"a20"})
        assert await positions(checkpoints) == [20]
        raise ZeroDivisionError
    assert await positions(checkpoints) == [10]
    assert checkpoints.page("oee", 1, "a", 10) == b"a10"


async def test_a_failed_save_is_said_and_stores_nothing(adapter: Adapter) -> None:
    if not adapter.disk:
        pytest.skip("these checkpoints have no disk that could fail")
    checkpoints = await adapter.open()
    await checkpoints.save(manifest(10), {"a": b"a10"})
    with failing_writes(100_000), pytest.raises(Unavailable, match="a checkpoint was not stored: disk I/O error"):
        await checkpoints.save(manifest(20), {f"p{i}": bytes(20_000) for i in range(30)})
    assert await positions(checkpoints) == [10]
    assert checkpoints.page("oee", 1, "a", 10) == b"a10"


async def test_pages_that_hold_nowhere_are_collected(adapter: Adapter) -> None:
    if not adapter.disk:
        pytest.skip("these checkpoints have no table to count in")
    checkpoints = await adapter.open()
    for at in range(10, 510, 10):
        await checkpoints.save(manifest(at, at - 10), {f"p{at // 10 % 5}": b"x", "always": b"y"})
    (pages,) = adapter.connection.execute("SELECT count(*) FROM checkpoint_page").fetchone()
    assert pages == 5 + 1 + 2
