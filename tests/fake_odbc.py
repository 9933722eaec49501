"""A DB-API under the real SQLAlchemy and the real store, with a checkpoint, a transaction, and errors at steps it is told.

`faults` are taken in order, each at its step: connect, fence, rows, commit, rollback. A fault of `commit` with `landed` is a
connection that is cut after the server stored everything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.connectors.aioodbc import AsyncAdapt_aioodbc_dbapi
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


class Error(Exception):
    pass


class OperationalError(Error):
    pass


class IntegrityError(Error):
    pass


class ProgrammingError(Error):
    pass


def odbc(kind: type[Error], state: str, number: int, said: str) -> Error:
    """An error as ODBC words it."""
    return kind(
        state, f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{said} ({number}) (SQLExecDirectW)"
    )


DEADLOCK = odbc(OperationalError, "40001", 1205, "Transaction (Process ID 52) was deadlocked; rerun the transaction.")
NO_TRANSACTION = odbc(ProgrammingError, "42000", 3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN.")
SAME_KEY = odbc(IntegrityError, "23000", 2627, "Violation of PRIMARY KEY constraint 'PK_machine'.")
SAME_INDEX = odbc(IntegrityError, "23000", 2601, "Cannot insert duplicate key row.")
NO_LOCK = odbc(ProgrammingError, "42000", 1222, "Lock request time out period exceeded.")
NO_LOCK_THERE = odbc(ProgrammingError, "42000", 33557097, "canceling statement due to lock timeout")
LOST_SNAPSHOT = odbc(OperationalError, "42000", 3960, "Snapshot isolation transaction aborted due to update conflict.")
CUT = OperationalError(
    "08S01", "[08S01] [Microsoft][ODBC Driver 18 for SQL Server]TCP Provider: Error code 0x68 (104) (SQLExecute)"
)
NULL = odbc(IntegrityError, "23000", 515, "Cannot insert the value NULL into column 'start'.")
LOG_IN = odbc(Error, "28000", 18456, "Login failed for user 'tailrace'.")
NO_DATABASE = odbc(Error, "42000", 4060, 'Cannot open database "plant" requested by the login.')
UNTRUSTED = OperationalError(
    "08001",
    "[08001] [Microsoft][ODBC Driver 18 for SQL Server]SSL Provider: [error:0A000086:SSL routines::certificate verify "
    "failed:self-signed certificate] (-1) (SQLDriverConnect)",
)
NO_DRIVER = Error(
    "01000", "[01000] [unixODBC][Driver Manager]Can't open lib 'ODBC Driver 18 for SQL Server' : file not found (0)"
)
REFUSED = OperationalError(
    "HYT00", "[HYT00] [Microsoft][ODBC Driver 18 for SQL Server]Login timeout expired (0) (SQLDriverConnect)"
)


class Fault(NamedTuple):
    step: str
    error: Error
    landed: bool = False


class Server:
    """What is committed, and the faults that are to come."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self.place: tuple[int, bytes] | None = None
        self.rows: list[Any] = []
        self.steps: list[str] = []

    def engine(self) -> AsyncEngine:
        names = ("Warning", "InterfaceError", "DataError", "DatabaseError", "InternalError", "NotSupportedError")
        odd = ("SQL_DRIVER_NAME", "NUMBER", "STRING", "DATETIME", "BINARY", "Binary", "BinaryNull")
        pyodbc = SimpleNamespace(
            paramstyle="qmark", version="5.5.0", Error=Error, OperationalError=OperationalError,
            IntegrityError=IntegrityError, ProgrammingError=ProgrammingError, **dict.fromkeys(names, Error),
            **dict.fromkeys(odd, 0), SQL_VARCHAR=12, SQL_WVARCHAR=-9, SQL_DECIMAL=3,
        )  # fmt: skip
        module: Any = AsyncAdapt_aioodbc_dbapi(SimpleNamespace(connect=self._connect), pyodbc)  # type: ignore[no-untyped-call]
        url = sa.make_url("mssql+aioodbc://sa:secret@db.plant:1433/plant?driver=Fake")
        engine = create_async_engine(url, module=module, use_setinputsizes=False)
        vars(engine.sync_engine.dialect)["initialize"] = lambda _: None  # it would ask for versions
        return engine

    async def _connect(self, *_: Any, **__: Any) -> _Connection:
        self.fault("connect")
        return _Connection(self)

    def fault(self, step: str) -> Fault | None:
        """Raises what is to come at this step; gives a fault that lands first."""
        self.steps.append(step)
        if self.faults and self.faults[0].step == step:
            fault = self.faults.pop(0)
            if fault.landed:
                return fault
            raise fault.error
        return None


class _Connection:
    closed = False
    autocommit = False

    def __init__(self, server: Server) -> None:
        self._server = server
        self.place, self.rows = server.place, list[Any]()

    def cursor(self) -> _Cursor:
        return _Cursor(self._server, self)

    async def commit(self) -> None:
        fault = self._server.fault("commit")
        self._server.place, self._server.rows = self.place, self._server.rows + self.rows
        self.rows = []
        if fault:
            raise fault.error

    async def rollback(self) -> None:
        self._server.fault("rollback")
        self.place, self.rows = self._server.place, []

    async def close(self) -> None:
        self.closed = True

    def add_output_converter(self, *_: Any) -> None:
        pass


class _Cursor:
    arraysize, rowcount, lastrowid = 1, -1, None

    def __init__(self, server: Server, connection: _Connection) -> None:
        self._server, self._connection = server, connection
        self.description: Any = None
        self._found: list[tuple[Any, ...]] = []

    async def __aenter__(self) -> _Cursor:
        return self

    async def close(self) -> None:
        pass

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return self._found

    async def execute(self, text: str, values: Sequence[Any] = ()) -> None:
        if values and isinstance(values[0], (tuple, list)):
            values = values[0]
        self._found = [self._answer(text, tuple(values))]
        self.description = [(str(i), None, None, None, None, None, None) for i in range(len(self._found[0] or ()))]
        self._found = [row for row in self._found if row]

    def _answer(self, text: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        here = self._connection
        if text.startswith("SELECT [position]"):
            here.place = self._server.place
            return here.place or ()
        if "UPDATE [checkpoint]" in text:
            self._server.fault("fence")
            here.place = self._server.place
            moved = here.place == values[3:5]
            here.place = values[:2] if moved else here.place
            return (int(moved),)
        if "INSERT INTO [checkpoint]" in text:
            made = here.place is None
            here.place = values[1:3] if made else here.place
            return (int(made),)
        self._server.fault("rows")
        rows = json.loads(values[0])
        here.rows += rows
        return (len(rows),)
