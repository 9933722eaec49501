"""Every statement that SQL Server is told, as text. `python tests/mssql_golden.py` writes mssql_golden.sql: read the diff."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.schema import CreateIndex, CreateTable

from tailrace.projections import mssql_driver, mssql_schema
from tailrace.projections import mssql_statements as sql
from tailrace.projections.schema import VERSION_TABLE, tables_in, view_text
from tailrace.projections.summaries import KEPT
from tailrace.projections.tables import ADD, metadata
from tailrace.projections.views import VIEWS

FILE = Path(__file__).with_suffix(".sql")
SCHEMA = "plant"


def statements() -> Iterator[tuple[str, str]]:
    """What each is for, and its text."""
    yield "session", mssql_driver.session(mssql_driver.LOCK_MS)
    yield "lock", mssql_schema.APP_LOCK.format(resource=f"{mssql_schema.LOCK}:{SCHEMA}")
    yield "fence", sql.move(SCHEMA)
    yield "fence of a first commit", sql.begin(SCHEMA)
    yield "place", sql.place(SCHEMA)
    for name, table in sorted(metadata.tables.items()):
        keys, columns = [column.name for column in table.primary_key], tuple(table.columns.keys())
        yield f"{name}: upsert", sql.upsert(name, columns, (), SCHEMA)
        yield f"{name}: delete", sql.delete(name, SCHEMA)
        if any(ADD in column.info for column in table.columns):
            yield f"{name}: add", sql.add(name, SCHEMA)
        if name in KEPT:
            yield f"{name}: keep", sql.keep(name, SCHEMA)
        if name == "machine":
            yield f"{name}: upsert of keys alone", sql.upsert(name, tuple(keys), (), None)
        if name == "signal_clock":
            yield f"{name}: upsert of the newest", sql.upsert(name, columns, ("t_ns", "seq"), SCHEMA)
    yield "quarantine: upsert of rows with bytes", sql.upsert("quarantine", ("id", "t_ns", "raw"), (), SCHEMA, 2)
    for name in ("oee_hour", "oee_shift"):
        for bound in sql.again(name, SCHEMA):
            yield f"{name}: again, {', '.join(bound.names)}", bound.sql
    for table in tables_in(SCHEMA).sorted_tables:
        if table.name in metadata.tables or table.name == VERSION_TABLE:
            yield f"{table.name}: table", str(CreateTable(table).compile(dialect=sql.DIALECT)).strip()
            for index in sorted(table.indexes, key=lambda each: str(each.name)):
                yield f"{index.name}: index", str(CreateIndex(index).compile(dialect=sql.DIALECT)).strip()
    for name in VIEWS:
        yield f"{name}: view", view_text(sql.DIALECT, name, SCHEMA)


def text() -> str:
    lines = [f"-- {what}\n{said}\n" for what, said in statements()]
    return "\n".join("\n".join(line.rstrip() for line in each.splitlines()) + "\n" for each in lines)


if __name__ == "__main__":
    FILE.write_text(text())
