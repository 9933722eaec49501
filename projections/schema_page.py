"""docs/schema.md: every table and view with its columns, from the code; `make schema` writes it.

Run as a program it prints the page.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from tailrace.projections.mssql_statements import DIALECT, type_of
from tailrace.projections.tables import metadata
from tailrace.projections.views import VIEWS

HEAD = """# Tables and views, column by column

Made by `make schema` from `projections/tables.py` and `projections/views.py`. What the tables are for is in
[read-models.md](read-models.md). A type is given as SQLite has it, then SQL Server; there the meaning is also the column's
description (`MS_Description`). Key columns are in bold. Texts in a key are compared byte by byte.
"""


def page() -> str:
    """The page."""
    return "\n".join(
        [HEAD, *(line for table in sorted(metadata.tables) for line in _table(metadata.tables[table])), *_views()]
    )


def _table(table: sa.Table) -> Iterator[str]:
    yield f"## {table.name}\n"
    yield "| column | SQLite | SQL Server | null | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for column in table.columns:
        name = f"**`{column.name}`**" if column.primary_key else f"`{column.name}`"
        here = column.type.compile(dialect=sqlite.dialect())
        meaning = (column.comment or "").replace("|", "\\|")
        yield f"| {name} | {here} | {type_of(column)} | {'yes' if column.nullable else ''} | {meaning} |"
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        yield f"\nIndex `{index.name}`: {', '.join(f'`{column.name}`' for column in index.columns)}."
    yield ""


def _views() -> Iterator[str]:
    for name, view in VIEWS.items():
        yield f"## {name} (view)\n"
        yield "| column | SQL Server |"
        yield "| --- | --- |"
        for column in view.selected_columns:
            yield f"| `{column.key}` | {str(column.type.compile(dialect=DIALECT)).partition(' COLLATE')[0]} |"
        yield ""


if __name__ == "__main__":
    print(page(), end="")
