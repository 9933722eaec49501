"""The product with one mistake each, as somebody might well write it, and disks that lie: a power loss has to show every one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import power_log
import power_read
from model_faults import CheckpointBeforeAck
from power_disk import Disk
from power_sqlite import Rewrite
from tailrace.connectors.log_sqlite_writer import Outcome, Waiting, Writer


class Mistake(NamedTuple):
    """How a life is led, and the word with which what is left is refused."""

    way: power_log.Way | power_read.Way
    word: str


class AckFirst(Writer):
    """Answers a group, then commits it."""

    def _store(self, group: Sequence[Waiting]) -> list[Outcome]:
        shelf = self._shelf
        assert shelf is not None
        shelf.commit = lambda: None  # type: ignore[method-assign]
        try:
            return super()._store(group)
        finally:
            del shelf.commit

    def _checkpoint(self) -> None:
        assert self._shelf is not None
        self._shelf.commit()
        super()._checkpoint()


class NeverSyncs(Disk):
    """Says that it has synced."""

    def sync(self, name: str) -> None:
        return


class ForgetsNames(Disk):
    """Never syncs a folder."""

    def sync_folder(self, folder: str = "") -> None:
        return


def saying(instead: str, of: str) -> Rewrite:
    """Says something else to SQLite."""
    return lambda sql: (sql.replace(of, instead),)


def ending_after(head: str) -> Rewrite:
    """Ends the transaction after a statement, and goes on in another."""
    return lambda sql: (sql, "COMMIT", "BEGIN IMMEDIATE") if sql.startswith(head) else (sql,)


LOG: Mapping[str, Mistake] = {
    "synchronous=NORMAL": Mistake(power_log.Way(rewrite=saying("=NORMAL", "=FULL")), "lost"),
    "synchronous=OFF": Mistake(power_log.Way(rewrite=saying("=OFF", "=FULL")), "lost"),
    "fsync skipped": Mistake(power_log.Way(disk=NeverSyncs), "lost"),
    "folder not synced": Mistake(power_log.Way(disk=ForgetsNames), "lost"),
    "ack before commit": Mistake(power_log.Way(AckFirst), "lost"),
    "records in another transaction than what is beside them": Mistake(
        power_log.Way(rewrite=ending_after("INSERT INTO record")), "torn"
    ),
}

READ: Mapping[str, Mistake] = {
    "rows in another transaction than their place": Mistake(
        power_read.Way(rewrite=ending_after("INSERT INTO checkpoint (")), "rows"
    ),
    "outputs in another transaction than rows and place": Mistake(
        power_read.Way(rewrite=ending_after("INSERT INTO derived")), "outputs"
    ),
    "checkpoint in another transaction than outputs and rows": Mistake(
        power_read.Way(rewrite=ending_after("INSERT INTO checkpoint_manifest")), "checkpoint"
    ),
    "checkpoint in another transaction, before its outputs": Mistake(
        power_read.Way(CheckpointBeforeAck, ending_after("INSERT INTO checkpoint_manifest")), "checkpoint"
    ),
    "synchronous=OFF": Mistake(power_read.Way(rewrite=saying("= OFF", "= NORMAL")), "unsound"),
    "fsync skipped": Mistake(power_read.Way(disk=NeverSyncs), "lost"),
}
