"""A data folder that belongs to a log on Kafka: which log that is, and what the folder has of it.

Rules: `kafka.json` says it, and is there before anything of the log is. `follows`: events.db has the records of that log, brought
by `tailrace up`, and nothing else is appended to it. `rows`: read.db has what the workers found, made by `tailrace rows`.
`workers/` has a file for each `tailrace worker --dir`. All of it can be deleted and is made again, from Kafka.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from tailrace.app import durable
from tailrace.connectors.kafka_settings import KafkaSettings
from tailrace.connectors.log_sqlite_file import EVENTS_FILE
from tailrace.schemas.errors import InvalidSettings

FILE = "kafka.json"
_WORDS = {"follows": "follows", "rows": "has the rows of"}


class KafkaFolder(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder has of a log on Kafka.

    places, hashes: by partition, the position up to which everything is in events.db, and the hash of the record there.
    end: where events.db ended then; what is behind it came after.
    """

    log: KafkaSettings
    has: Literal["follows", "rows"]
    places: list[int] = []
    hashes: list[bytes] = []
    end: int = 0


def read(directory: Path) -> KafkaFolder | None:
    """What the folder has; None where it belongs to no log on Kafka. Raises InvalidSettings where the file is damaged."""
    path = directory / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=KafkaFolder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidSettings(
            f"{path}: expected what this folder has of a log on Kafka, got: {error}; delete the folder, it is made again"
        ) from None


def write(directory: Path, folder: KafkaFolder) -> None:
    """Keeps it for the next start."""
    durable.replace(directory / FILE, msgspec.json.encode(folder))


def enter(directory: Path, log: KafkaSettings, has: Literal["follows", "rows"]) -> KafkaFolder:
    """The folder as it was left, or a new one; raises InvalidSettings where it has something else."""
    before = read(directory)
    if before is None:
        before = KafkaFolder(log=log, has=has, places=[0] * log.partitions, hashes=[b""] * log.partitions)
        if (directory / EVENTS_FILE).exists():
            raise InvalidSettings(
                f"{directory}: expected a folder for a log on Kafka, got one with a log of its own; `tailrace copy {directory} "
                "PLANT` brings that into the log on Kafka: do it once, and name another folder with --dir or data:"
            )
    same = (before.log.topics, before.log.partitions) == (log.topics, log.partitions)
    if before.has != has or not same:
        raise InvalidSettings(
            f"{directory}: expected a folder that {_WORDS[has]} topics {log.topics} of {log.partitions} partitions, got one that "
            f"{_WORDS[before.has]} {before.log.topics} of {before.log.partitions}; name another with --dir, or delete it: it is "
            "made again from Kafka"
        )
    found = msgspec.structs.replace(before, log=log)
    if found != read(directory):
        write(directory, found)
    return found


def require_none(directory: Path) -> None:
    """Raises InvalidSettings where what is appended has to go to Kafka."""
    found = read(directory)
    if found is not None:
        raise InvalidSettings(
            f"{directory}: this folder follows topic {found.log.events} of {found.log.where}, and has no log of its own; start "
            "`tailrace up` with its plant file, and do this again: it goes through it"
        )
