"""Marks: what is known is dropped, what is next is taken, and a gap stops the reader."""

from __future__ import annotations

from random import Random

import pytest

from log_records import state
from tailrace.engine.reader import Reader, require_next, stream
from tailrace.schemas.errors import SequenceGap, Unavailable
from tailrace.schemas.record import Derived, Record


def derived(
    first_n: int, n: int = 1, *, key: str = "M1", topology: str = "oee", version: int = 1, position: int = 9
) -> Derived:
    return Derived(
        topology=topology,
        version=version,
        key=key,
        first_n=first_n,
        n=n,
        kind="k",
        cause=1,
        body=b"",
        position=position,
    )


@pytest.mark.parametrize(
    ("first_n", "n", "skip", "mark"),
    [
        (5, 1, 0, 5),  # the next
        (5, 3, 0, 7),  # the next, and more of them
        (3, 4, 2, 6),  # began earlier
        (1, 5, 4, 5),
        (4, 1, 1, 4),  # known
        (1, 4, 4, 4),
        (1, 2, 2, 4),
        (1, 0, 0, 4),  # a seal: no events, so none is new
    ],
)
def test_what_is_new_in_a_record(first_n: int, n: int, skip: int, mark: int) -> None:
    reader = Reader({"oee@1/M1": 4}, "rows")
    assert reader.take(derived(first_n, n)) == skip
    assert reader.marks == {"oee@1/M1": mark}


@pytest.mark.parametrize("n", [1, 50])
def test_a_gap_stops_and_changes_nothing(n: int) -> None:
    reader = Reader({"oee@1/M1": 4}, "rows")
    for _ in range(2):
        with pytest.raises(SequenceGap, match=r"rows: derived position 9: key 'oee@1/M1': expected n=5, got n=6"):
            reader.take(derived(6, n))
    assert reader.marks == {"oee@1/M1": 4}


def test_a_new_key_begins_at_one() -> None:
    reader = Reader({}, "rows")
    with pytest.raises(SequenceGap, match="expected n=1, got n=2"):
        reader.take(derived(2))
    assert reader.take(derived(1)) == 0


def test_topologies_versions_and_keys_have_marks_of_their_own() -> None:
    reader = Reader({}, "rows")
    for record in (
        derived(1),
        derived(1, key="M2"),
        derived(1, version=2),
        derived(1, topology="anomaly"),
        derived(1, key=""),
    ):
        assert reader.take(record) == 0
    assert sorted(reader.marks) == ["anomaly@1/M1", "oee@1/", "oee@1/M1", "oee@1/M2", "oee@2/M1"]
    assert stream(derived(1, key="a/b@2")) == "oee@1/a/b@2"


def test_the_given_marks_stay_as_they_are() -> None:
    marks = {"oee@1/M1": 4}
    Reader(marks, "rows").take(derived(5))
    assert marks == {"oee@1/M1": 4}


@pytest.mark.parametrize("seed", range(200))
def test_whatever_is_written_again_and_framed_otherwise_each_n_is_taken_once(seed: int) -> None:
    random, reader, written = Random(seed), Reader({}, "rows"), 0
    taken: list[int] = []
    while len(taken) < 40:
        first_n = random.randint(max(1, written - 8), written + 1)
        record = derived(first_n, random.randint(1, 6))
        written = max(written, record.last_n)
        taken += list(range(first_n, record.last_n + 1))[reader.take(record) :]
    assert taken == list(range(1, len(taken) + 1))


def at(*positions: int) -> list[Record]:
    return [Record(type="clock.ticked", payload=b"", position=position) for position in positions]


def test_records_come_without_a_hole() -> None:
    require_next(at(5, 6, 7), 4, "rows")
    for records in (at(6, 7), at(4, 5), at(5, 7), at(5, 5), [state(1)]):
        with pytest.raises(SequenceGap, match="rows: key 'position'"):
            require_next(records, 4, "rows")


def test_a_log_that_lost_its_end_is_said_in_words() -> None:
    with pytest.raises(Unavailable, match="rows: expected a record at position 5, got none"):
        require_next([], 4, "rows")
