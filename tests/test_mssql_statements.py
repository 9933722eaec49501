"""What SQL Server is told and how its errors are taken, without a server: golden text, rows as parameters, a faked DB-API."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest

import mssql_golden
from tailrace.engine.store import Change
from tailrace.projections import mssql_statements as sql
from tailrace.projections.mssql_rows import ROWS_MAX, Statement, statements
from tailrace.schemas.errors import InvalidInput


def test_every_statement_is_the_golden_one() -> None:
    assert mssql_golden.text() == mssql_golden.FILE.read_text(), (
        "run python tests/mssql_golden.py and read the difference"
    )


@pytest.mark.parametrize("word", ["MERGE", "COLUMNSTORE", "SERIALIZABLE", "ROWVERSION", "IDENTITY", r"DATETIME\b"])
def test_no_statement_says(word: str) -> None:
    assert re.findall(rf"\b{word}", mssql_golden.text(), flags=re.IGNORECASE) == []


def test_every_batch_gives_one_result() -> None:
    for what, text in mssql_golden.statements():
        if "#staging" in text:
            assert text.startswith("SET NOCOUNT ON;\n"), what
            assert text.endswith(";\nDROP TABLE #staging;\nSELECT @rows"), what


def said(*changes: Change) -> list[Statement]:
    return statements(changes, "plant")


def cells(statement: Statement) -> Any:
    (text,) = statement.values
    return json.loads(text)


def test_a_batch_has_a_key_once_and_is_in_order_of_keys() -> None:
    rows = [{"machine": name, "site": site} for name, site in (("M2", "a"), ("M1", "b"), ("M2", "c"))]
    (one,) = said(Change("machine", rows))
    assert (one.rows, cells(one)) == (2, [["M1", "b"], ["M2", "c"]])


def test_rows_with_other_columns_are_another_batch_after_it() -> None:
    one, two = said(Change("machine", [{"machine": "M1", "site": "a"}, {"machine": "M1", "line": "b"}]))
    assert cells(one) == [["M1", "a"]]
    assert cells(two) == [["M1", "b"]]


def test_of_the_newest_the_later_of_equals_stands() -> None:
    rows = [
        {"machine": "M", "signal": "s", "clock": "", "t_ns": t, "value": v}
        for t, v in ((5, 1.0), (7, 2.0), (7, 3.0), (6, 4.0))
    ]
    (one,) = said(Change("signal_clock", rows, newest=("t_ns",)))
    assert cells(one) == [["M", "s", "", 7, 3.0]]


def test_numbers_to_add_are_put_together_before() -> None:
    row = {
        "machine": "M",
        "start_ns": 0,
        "start": "2026-11-20 06:00:00.000000",
        "n": 2,
        "unusual": 1,
        "max": 0.5,
        "sum_e6": 9,
    }
    (one,) = said(Change("score_rollup", add=[row, row | {"n": 3, "max": 0.25}]))
    assert cells(one) == [["M", 0, row["start"], 5, 2, 0.5, 18]]


def test_rows_to_keep_are_one_a_key_and_statement() -> None:
    row = {"machine": "M", "start_ns": 0, "product": "", "until": 9, "known_to_ns": 1, "cause": "c", "cause_type": "t"}
    row |= {"cause_events": 1, "by": "b", "reason": ""}
    kept = said(Change("oee_history", keep=[row, row | {"until": 1}, row | {"start_ns": 1}]))
    assert [[cell[1:4] for cell in cells(each)] for each in kept] == [[[0, "", 9], [1, "", 9]], [[0, "", 1]]]


def test_what_is_no_number_is_null() -> None:
    values: list[Any] = [float("nan"), float("inf"), float("-inf"), None, Decimal("0.1"), 1e-300]
    rows = [{"machine": "M", "signal": str(i), "clock": "", "value": v} for i, v in enumerate(values)]
    (one,) = said(Change("signal_clock", rows))
    assert [cell[3] for cell in cells(one)] == [None, None, None, None, 0.1, 1e-300]


def test_rows_that_json_would_escape_and_rows_with_bytes_are_parameters_of_their_own() -> None:
    sites = ["plain \u00fc", 'with "quotes"', "back\\slash", "two\nlines"]
    (one,) = said(Change("machine", [{"machine": f"M{i}", "site": site} for i, site in enumerate(sites)]))
    assert one.values == ('[["M0","plain \u00fc"]]', "M1", sites[1], "M2", sites[2], "M3", sites[3])
    assert one.rows == 4
    raw = bytes(range(256))
    (two,) = said(Change("quarantine", [{"id": f"q{i}", "raw": raw} for i in range(2)]))
    assert two.values == ("[]", "q0", raw, "q1", raw)
    assert two.sql.count("?") == len(two.values)
    many = said(Change("machine", [{"machine": f"M{i:04}", "site": '"'} for i in range(1001)]))
    assert [each.rows for each in many] == [1000, 1]


def test_truth_values_are_numbers() -> None:
    (one,) = said(Change("command", [{"id": "c", "accepted": True}]))
    assert cells(one) == [["c", 1]]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"machine": "M" * 65}, "machine.machine: expected a text of at most 64 characters"),
        ({"machine": "\N{GEAR}\N{GRINNING FACE}" * 32}, "at most 64 characters"),
        ({"machine": "M1 "}, "expected a key without a blank at its end, got 'M1 '"),
    ],
)
def test_a_key_that_would_be_cut_or_taken_for_another_is_refused(row: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        said(Change("machine", [row]))


def test_a_large_batch_is_cut() -> None:
    rows = [{"machine": f"M{i:05}"} for i in range(ROWS_MAX + 1)]
    assert [each.rows for each in said(Change("machine", rows))] == [ROWS_MAX, 1]


def test_a_table_that_adds_nothing_up_is_refused() -> None:
    with pytest.raises(ValueError, match="machine: expected a table whose columns can be added to"):
        sql.add("machine", None)
