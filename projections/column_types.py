"""The types of columns, each with what it is on SQLite and on SQL Server.

Rules
1. A key is compared byte by byte on both: SQL Server's own collations hold M1 and m1 for the same. It ignores blanks at the end
   of a text whatever the collation, and a key is at most 64 characters (of UTF-16) long: projections/mssql_rows.py refuses what
   differs in nothing else, or does not fit.
2. An instant is text in UTC with microseconds in rows and in Python; DATETIME2(6) where the database has it. DATETIME, which
   SQLAlchemy would take, rounds .125 to .127.
3. Text has no limit, and numbers are 64 bits.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.engine.interfaces import Dialect

COLLATION = "Latin1_General_100_BIN2"
KEY_MAX, ID_MAX = 64, 256
_DATETIME2: sa.types.TypeEngine[Any] = mssql.DATETIME2(6)  # type: ignore[no-untyped-call]


class Instant(sa.types.TypeDecorator[str]):
    """`2026-11-20 06:00:00.000000`, whatever the database makes of it."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return _DATETIME2 if dialect.name == "mssql" else sa.Text()

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return datetime.fromisoformat(value) if dialect.name == "mssql" and value is not None else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return instant_text(value) if isinstance(value, datetime) else value


def instant_text(value: datetime) -> str:
    """An instant of the database as rows hold it; without a zone it is UTC."""
    at = value.astimezone(UTC) if value.tzinfo else value
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


KEY = sa.String(KEY_MAX).with_variant(mssql.NVARCHAR(KEY_MAX, collation=COLLATION), "mssql")
ID = sa.Text().with_variant(mssql.NVARCHAR(ID_MAX, collation=COLLATION), "mssql")
TEXT = sa.Text().with_variant(mssql.NVARCHAR(), "mssql")
INSTANT = Instant()
INT64 = sa.BigInteger()
