"""Power loss: whatever the moment, nothing acknowledged is lost, no position is missing, and what was made of the log agrees.

Every step of the disk in every recording is a moment at which the power may fail, several times with another rest of what was
not synced. The recordings are of the product's own code (power_sqlite.py says how); each mistake in power_faults.py has to be
found, which shows that the harness sees what it is for. A finding names script, life, step and seed: they give it again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

import power_archive
import power_log
import power_read
from power_disk import Disk, Image, Moment
from power_faults import LOG, READ, ForgetsNames, NeverSyncs
from power_files import watched
from power_sqlite import recorded
from tailrace.connectors import log_sqlite_file as file
from tailrace.connectors.ownership import own

MEMORY = Path("/dev/shm")
LOG_SCRIPTS, LOG_LIVES, LOG_GROUPS, LOG_SEEDS = 2, 3, 14, 2
LOG_LOSSES_MIN = 4_000
READ_LIVES, READ_MINUTES, READ_SEEDS = 3, 8, 1
READ_LOSSES_MIN = 1_300
ARCHIVE_LIVES, ARCHIVE_GROUPS, ARCHIVE_WRITES = 2, 8, 4
"""Of the writes to a database, which mostly are appends, one in so many; every other step counts."""

ARCHIVE_LOSSES_MIN = 300
RESUMES_EVERY = 16
"""Of so many power losses of log and archive, one is followed by taking up the work."""


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A folder to live in and one to see what is left, in memory where there is room: no sync of theirs counts."""
    there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    made = [Path(tempfile.mkdtemp(prefix="tailrace-power-", dir=MEMORY if there else tmp_path)) for _ in range(2)]
    yield made[0], made[1]
    for folder in made:
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _unborn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is making the files that are left without tables."""
    monkeypatch.setattr(file, "BORN_S", 0.0)


# -- the log -----------------------------------------------------------------------------------------------------------------


def test_what_the_log_acknowledged_survives_every_power_loss(folders: tuple[Path, Path]) -> None:
    reached = Counter[str]()
    for script in range(LOG_SCRIPTS):
        reached += log_losses(script, folders)
    assert reached["losses"] >= LOG_LOSSES_MIN
    assert {what: n for what, n in reached.items() if n < 10} == {}, "too rare to tell anything"
    assert len(reached) == 8, reached


@pytest.mark.soak
@pytest.mark.parametrize("script", range(LOG_SCRIPTS, 20))
def test_what_the_log_acknowledged_survives_every_power_loss_of_many_scripts(
    folders: tuple[Path, Path], script: int
) -> None:
    assert log_losses(script, folders, lives=6, seeds=4)["losses"] >= LOG_LOSSES_MIN


def log_losses(number: int, folders: tuple[Path, Path], lives: int = LOG_LIVES, seeds: int = LOG_SEEDS) -> Counter[str]:
    """Loses the power at each step of each life of a script; gives how often what was met."""
    script, reached = power_log.Script(number, LOG_GROUPS * lives), Counter[str]()
    image: Image = {}
    acked = 0
    with asyncio.Runner() as runner:
        for life in range(lives):
            last = LOG_GROUPS * (life + 1)
            disk = power_log.live(script, folders[0], image, range(acked, last))
            ends = Random(f"{number} {life}").randrange(len(disk.steps) // 2, len(disk.steps))
            for moment, seed, left in losses(disk, seeds):
                stood = moment.facts["acked"]
                found, end = power_log.fault(script, folders[1], moment, left)
                reached.update(["losses", *_met(moment, left, end - script.ends[stood])])
                if not found and reached["losses"] % RESUMES_EVERY == 0:
                    found = runner.run(power_log.resumed(script, folders[1], stood, min(last, stood + 3)))
                    reached["taken up"] += 1
                assert not found, (
                    f"script {number}, life {life}, step {moment.number} {moment.last[:3]}, seed {seed}: {found}"
                )
                if (moment.number, seed) == (ends, 0):
                    image, acked = left, stood
    return reached


def _met(moment: Moment, left: Image, kept: int) -> Iterator[str]:
    """What a power loss is an example of; kept: records there that were not acknowledged."""
    step = moment.last
    if step.kind == "write" and step.name == f"{file.EVENTS_FILE}-wal" and not step.offset:
        yield "a WAL that begins again"
    if step.kind == "truncate" and step.name == f"{file.EVENTS_FILE}-wal":
        yield "a WAL that is cut"
    if step.kind == "write" and step.name == file.EVENTS_FILE:
        yield "a checkpoint under way"
    if file.EVENTS_FILE not in left:
        yield "a file that is not born"
    elif kept:
        yield "kept without an acknowledgement"
    elif moment.unsafe:
        yield "lost without an acknowledgement"


@pytest.mark.parametrize("mistake", LOG)
def test_a_power_loss_shows_a_log_with(mistake: str, folders: tuple[Path, Path]) -> None:
    script, (way, word) = power_log.Script(0, LOG_GROUPS), LOG[mistake]
    assert isinstance(way, power_log.Way)
    disk = power_log.live(script, folders[0], {}, range(LOG_GROUPS), way)
    assert _finds(word, (power_log.fault(script, folders[1], *at)[0] for at in _each(disk, LOG_SEEDS)))


# -- the read store beside its log -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> power_read.Truth:
    return power_read.Truth(tmp_path_factory.mktemp("truth"), READ_MINUTES)


def test_rows_place_outputs_and_checkpoints_agree_after_every_power_loss(
    truth: power_read.Truth, folders: tuple[Path, Path]
) -> None:
    reached = read_losses(0, truth, folders)
    assert reached["losses"] >= READ_LOSSES_MIN
    assert reached["states"] >= 20
    assert reached["with a checkpoint"] >= 300


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, 13))
def test_rows_place_outputs_and_checkpoints_agree_after_many_more(
    truth: power_read.Truth, folders: tuple[Path, Path], number: int
) -> None:
    assert read_losses(number, truth, folders, seeds=3)["losses"] >= READ_LOSSES_MIN


def read_losses(
    number: int, truth: power_read.Truth, folders: tuple[Path, Path], seeds: int = READ_SEEDS
) -> Counter[str]:
    """Loses the power at each step of each life, with other ends for another number; each state goes on to the end once."""
    reached, known = Counter[str](), set[str]()
    image: Image = {}
    acked = 0
    for life in range(READ_LIVES):
        disk = power_read.live(truth, folders[0], image, range(acked, len(truth.groups) * (life + 1) // READ_LIVES))
        ends = Random(f"{number} {life}").randrange(len(disk.steps) // 2, len(disk.steps))
        for moment, seed, left in losses(disk, seeds, first=number):
            found, state = power_read.fault(truth, folders[1], moment, left)
            reached["losses"] += 1
            reached["with a checkpoint"] += bool(state and state.checkpoints)
            if not found and repr(state) not in known:
                known.add(repr(state))
                found = power_read.resumed(truth, folders[1], moment.facts["acked"])
            assert not found, (
                f"number {number}, life {life}, step {moment.number} {moment.last[:3]}, seed {seed}: {found}"
            )
            if (moment.number, seed) == (ends, number):
                image, acked = left, moment.facts["acked"]
    reached["states"] = len(known)
    return reached


@pytest.mark.parametrize("mistake", READ)
def test_a_power_loss_shows_a_read_store_with(
    mistake: str, truth: power_read.Truth, folders: tuple[Path, Path]
) -> None:
    way, word = READ[mistake]
    assert isinstance(way, power_read.Way)
    disk = power_read.live(truth, folders[0], {}, range(len(truth.groups)), way)
    assert _finds(word, (power_read.fault(truth, folders[1], *at)[0] for at in _each(disk, 1)))


# -- the archive beside its log ----------------------------------------------------------------------------------------------


def test_log_and_archive_together_have_everything_after_every_power_loss(folders: tuple[Path, Path]) -> None:
    reached = archive_losses(0, folders)
    assert reached["losses"] >= ARCHIVE_LOSSES_MIN
    assert reached["taken up"] >= 20
    assert reached["a file without its entry"] >= 10
    assert reached["records without a row"] >= 200


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, 6))
def test_log_and_archive_together_have_everything_after_many_more(folders: tuple[Path, Path], number: int) -> None:
    assert archive_losses(number, folders, lives=4, seeds=2, writes=1)["losses"] >= ARCHIVE_LOSSES_MIN


def archive_losses(
    number: int, folders: tuple[Path, Path], lives: int = ARCHIVE_LIVES, seeds: int = 1, writes: int = ARCHIVE_WRITES
) -> Counter[str]:
    """Loses the power at each step of each life of a script, with other ends for another number."""
    script, reached = power_log.Script(number, ARCHIVE_GROUPS * lives), Counter[str]()
    image: Image = {}
    begins = 0
    for life in range(lives):
        disk = power_archive.live(script, folders[0], image, range(begins, ARCHIVE_GROUPS * (life + 1)))
        ends = Random(f"{number} {life}").randrange(len(disk.steps) // 2, len(disk.steps))
        for moment, seed, left in losses(disk, seeds, first=number):
            if moment.last.kind == "write" and moment.number % writes and moment.number != ends:
                continue
            found, kept = power_archive.fault(script, folders[1], moment, left)
            reached.update(["losses", *power_archive.met(folders[1], kept)])
            group = max(i for i, end in enumerate(script.ends) if end <= moment.facts["acked"])
            if not found and reached["losses"] % RESUMES_EVERY == 0:
                found = power_archive.resumed(script, folders[1], range(group, min(group + 3, len(script.groups))))
                reached["taken up"] += 1
            assert not found, (
                f"number {number}, life {life}, step {moment.number} {moment.last[:3]}, seed {seed}: {found}"
            )
            if (moment.number, seed) == (ends, number):
                image, begins = left, group
    return reached


@pytest.mark.parametrize("mistake", power_archive.MISTAKES)
def test_a_power_loss_shows(mistake: str, folders: tuple[Path, Path]) -> None:
    script, way = power_log.Script(0, ARCHIVE_GROUPS), power_archive.Way(power_archive.MISTAKES[mistake])
    disk = power_archive.live(script, folders[0], {}, range(ARCHIVE_GROUPS), way)
    assert _finds("lost", (power_archive.fault(script, folders[1], *at)[0] for at in _each(disk, 1)))


# -- the disk itself ---------------------------------------------------------------------------------------------------------


def losses(disk: Disk, seeds: int, first: int = 0) -> Iterator[tuple[Moment, int, Image]]:
    """Every moment with what is left then, some seeds each."""
    for moment in disk.moments():
        for seed in range(first, first + seeds):
            yield moment, seed, moment.left(seed)


def _each(disk: Disk, seeds: int) -> Iterator[tuple[Moment, Image]]:
    return ((moment, left) for moment, _, left in losses(disk, seeds))


def _finds(word: str, faults: Iterator[str]) -> bool:
    return any(fault.partition(":")[0] == word for fault in faults)


def _left(disk: Disk, seeds: int = 200) -> set[tuple[tuple[str, bytes], ...]]:
    """What may be left after the last step."""
    *_, last = disk.moments()
    return {tuple(sorted(last.left(seed).items())) for seed in range(seeds)}


def test_a_disk_keeps_what_was_synced_and_any_part_of_the_rest() -> None:
    disk = Disk({"a": b"old" * 400})
    disk.write("a", 0, b"N" * 600)
    disk.sync("a")
    disk.write("a", 1200, b"X" * 1024)
    found = {dict(left)["a"] for left in _left(disk)}
    assert all(content.startswith(b"N" * 600 + b"old" * 200) for content in found)
    rests = {content[1200:] for content in found}
    assert {b"", b"X" * 1024, b"X" * 336, bytes(336) + b"X" * 512} <= rests
    assert any(set(rest) - {0, ord("X")} for rest in rests), "no noise"


def test_a_disk_forgets_names_until_the_folder_is_synced() -> None:
    disk = Disk({"a": b"1"})
    disk.create("b")
    disk.write("b", 0, b"2")
    disk.sync("b")
    disk.rename("a", "c")
    disk.create("d/e")
    disk.remove("d/e")
    either = {(("a", b"1"),), (("c", b"1"),), (("a", b"1"), ("b", b"2")), (("b", b"2"), ("c", b"1"))}
    assert {tuple((n, x) for n, x in left if n != "d/e") for left in _left(disk)} == either
    disk.sync_folder()
    assert {tuple((n, x) for n, x in left if n != "d/e") for left in _left(disk)} == {(("b", b"2"), ("c", b"1"))}
    assert len(_left(disk)) == 2
    disk.sync_folder("d")
    assert len(_left(disk)) == 1


def _replace(root: Path, content: bytes) -> None:
    """A file in place of another, so that either is there whole: the usual way."""
    draft = root / "kept.new"
    with draft.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(root / "kept")
    folder = os.open(root, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _file_faults(root: Path, make: type[Disk]) -> set[str]:
    """What goes wrong with a file that is replaced twice; each time a fact is noted afterwards."""
    contents = [b"0" * 9000, b"1" * 12_000, b"2" * 5000]
    (root / "kept").write_bytes(contents[0])
    disk = make({"kept": contents[0]}, replaced=0)
    with watched(disk, root):
        for fact in (1, 2):
            _replace(root, contents[fact])
            disk.note("replaced", fact)
    found = set[str]()
    for moment, _, left in losses(disk, 20):
        kept = left.get("kept", b"")
        if kept not in contents:
            found.add("torn")
        elif contents.index(kept) < moment.facts["replaced"]:
            found.add("lost")
    return found


def test_a_plain_file_that_is_replaced_well_is_there_whole(tmp_path: Path) -> None:
    assert _file_faults(tmp_path, Disk) == set()


def test_a_plain_file_is_torn_without_its_sync_and_old_without_the_folders(tmp_path: Path) -> None:
    assert "torn" in _file_faults(tmp_path, NeverSyncs)
    assert _file_faults(tmp_path, ForgetsNames) == {"lost"}


def test_a_recording_has_every_byte(folders: tuple[Path, Path]) -> None:
    """Played to its end with everything synced, a recording gives the files that SQLite left."""
    script, root = power_log.Script(9, 6), folders[0]
    disk = Disk()
    with recorded(disk) as driver:
        writer = driver.connect(root / "x.db", 1.0, isolation_level=None, check_same_thread=False)
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE x (y)")
        writer.executemany("INSERT INTO x VALUES (?)", [(record.payload,) for record in script.truth])
        writer.execute("DELETE FROM x WHERE rowid % 2")
        there = {name: (root / name).read_bytes() for name in ("x.db", "x.db-wal")}
        for name in there:
            disk.sync(name)
        disk.sync_folder()
        disk.note("looked", 1)
        writer.close()
    looked = next(moment for moment in disk.moments() if moment.facts)
    assert looked.left(0) == there


def test_a_data_folder_that_is_made_is_there_after_a_power_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    own(tmp_path / "plant" / "data").close()
    assert synced == [str(tmp_path), str(tmp_path / "plant")]
    own(tmp_path / "plant" / "data").close()
    assert len(synced) == 2
