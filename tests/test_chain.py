"""The chains: what they cover, that a log keeps them, and that they go on where they were."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from log_files import failing_writes
from log_records import everything, identified, large, sequenced, state
from tailrace.connectors import chain
from tailrace.connectors.log_sqlite import SqliteLog
from tailrace.engine.log import Receipt
from tailrace.schemas.errors import SendFailed
from tailrace.schemas.record import Record

OTHER: dict[str, Any] = {
    "type": "x", "version": 2, "id": "x", "site": "x", "machine": "x", "source": "x", "session": "x", "first_seq": 9,
    "n": 2, "clock": "x", "t_min": 1, "t_max": 1, "ingested": 1, "trace": "x", "crc32": 1, "payload": b"x",
}  # fmt: skip


def test_a_digest_covers_everything_in_a_record_but_its_place() -> None:
    record = state(1)
    others = [msgspec.structs.replace(record, **{name: value}) for name, value in OTHER.items()]
    assert {*OTHER} == {*Record.__struct_fields__} - {"position", "copy_of"}
    assert len({chain.digest(each) for each in [record, *others]}) == 1 + len(others)
    assert chain.digest(msgspec.structs.replace(record, position=7)) == chain.digest(record)


def test_a_digest_is_the_same_however_long_the_pieces_are(monkeypatch: pytest.MonkeyPatch) -> None:
    record = large(3 * chain.PIECE_BYTES + 5)
    digests = set()
    for size in (1, chain.PIECE_BYTES, 10 * chain.PIECE_BYTES):
        monkeypatch.setattr(chain, "PIECE_BYTES", size)
        digests.add(chain.digest(record))
    assert len(digests) == 1


def test_a_link_and_a_chain_are_what_anybody_can_compute() -> None:
    """Worked out again with nothing but hashlib: a link over one sender's records, the chain over all."""
    records = [sequenced(1, 3, session="a"), state(1), sequenced(4, 3, session="a"), sequenced(1, 2, session="b")]
    kept = chain.Chain()
    got = [kept.add(record) for record in records]
    links: dict[str, bytes] = {}
    head = bytes(32)
    for record, (link, whole) in zip(records, got, strict=True):
        links[record.session] = sha256(links.get(record.session, bytes(32)) + chain.digest(record)).digest()
        head = sha256(head + chain.digest(record)).digest()
        assert (link, whole) == (links[record.session], head)


async def test_a_log_keeps_its_chains_over_trims_repeats_and_a_new_start(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db")
    await log.append([sequenced(1, 5), state(1), identified([(1, "a"), (2, "b")])])
    await log.append([sequenced(3, 5), state(1), identified([(2, "b"), (3, "c")])])
    await log.close()
    again = SqliteLog(tmp_path / "events.db")
    await again.append([sequenced(8, 5), sequenced(1, 5, session="s2"), state(2)])
    records = await everything(again)
    await again.close()
    assert len(records) == 8
    _require_chained(tmp_path / "events.db", records)


async def test_the_chains_go_on_when_senders_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer remembers so many links; the others are in the file."""
    monkeypatch.setattr("tailrace.connectors.log_sqlite_writer.STEMS_MAX", 3)
    log = SqliteLog(tmp_path / "events.db")
    for first in range(1, 40, 10):
        for i in range(6):
            await log.append([sequenced(first, 10, session=f"s{i}")])
    records = await everything(log)
    await log.close()
    _require_chained(tmp_path / "events.db", records)


async def test_a_failed_append_leaves_the_chains_as_they_were(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db")
    outcomes: list[Receipt | BaseException] = [await log.append([state(1)])]
    with failing_writes(200_000), pytest.raises(SendFailed):
        await log.append([large(300_000)])
    outcomes.append(await log.append([state(2), large(300_000)]))
    records = await everything(log)
    await log.close()
    assert len(records) == 3
    _require_chained(tmp_path / "events.db", records)


def _require_chained(path: Path, records: list[Record]) -> None:
    expected = chain.Chain()
    links = [expected.add(record) for record in records]
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT link, chain FROM record ORDER BY position").fetchall()
        senders = connection.execute("SELECT source, session, records, link FROM session").fetchall()
    assert rows == links
    assert {(source, session): link for source, session, _, link in senders} == expected.links
    counted = [sum((r.source, r.session) == (source, session) for r in records) for source, session, *_ in senders]
    assert [n for _, _, n, _ in senders] == counted
