"""How SQL Server is reached: the URL, the ODBC driver, TLS.

Rules
1. What the URL says stands: driver, Encrypt, TrustServerCertificate, Authentication (Entra ID), Trusted_Connection (Windows), a
   DSN.
2. Where it names no driver: the newest `ODBC Driver N for SQL Server` that is installed, else TAILRACE_ODBC_DRIVER (name or
   path), else the library inside the wheel `mssql-python-odbc`, else FreeTDS.
3. Where it says nothing of TLS, it is on, with a certificate that is trusted.
4. A log-in waits 5 s for the server. A statement waits 10 s for a lock, and 60 s for its end.
"""

from __future__ import annotations

import asyncio
import glob
import importlib.util
import os
import platform
import re
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tailrace.schemas.errors import InvalidSettings

DIALECT = "mssql+aioodbc"
DRIVER_VARIABLE = "TAILRACE_ODBC_DRIVER"
LOGIN_S, LOCK_MS, STATEMENT_S = 5, 10_000, 60
_OFFICIAL = re.compile(r"ODBC Driver (\d+) for SQL Server")
_INSTALL = "pip install 'tailrace[mssql]'"


def engine(url: str, lock_ms: int = LOCK_MS) -> AsyncEngine:
    """An engine for a database; nothing is connected yet. Raises InvalidSettings for a URL that cannot be one."""
    complete = complete_url(url)
    pyodbc = _pyodbc()
    pyodbc.pooling = False  # the engine has its own pool, which knows of cut connections
    return create_async_engine(
        complete,
        pool_size=4,
        max_overflow=4,
        connect_args={"timeout": LOGIN_S, "after_created": partial(_prepare, lock_ms)},
        use_insertmanyvalues=False,
    )


def complete_url(url: str) -> sa.URL:
    """The URL with a driver and TLS, where it names none."""
    try:
        made = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise InvalidSettings(f"expected {DIALECT}://user:password@host:port/database?..., got no URL") from None
    if made.drivername != DIALECT:
        raise InvalidSettings(f"expected a URL that begins with {DIALECT}://, got {made.drivername}://")
    said = {name.lower() for name in made.query}
    if "odbc_connect" in said or "dsn" in said or not made.database:
        return made
    more: dict[str, str] = {}
    if "driver" not in said:
        more["driver"] = found_driver()
    if "encrypt" not in said:
        more["Encrypt"] = "yes"
    return made.update_query_dict(more)


def found_driver() -> str:
    """The name or the path of an ODBC driver; raises InvalidSettings where there is none."""
    installed = [str(name) for name in _pyodbc().drivers()]
    official = sorted((int(match[1]), name) for name in installed if (match := _OFFICIAL.fullmatch(name)))
    others = [name for name in installed if "freetds" in name.lower()]
    named = os.environ.get(DRIVER_VARIABLE, "")
    found = (official[-1][1] if official else "") or named or _in_wheel() or (others[0] if others else "")
    if not found:
        raise InvalidSettings(
            f"expected an ODBC driver for SQL Server, got {installed or 'none'} installed, no {DRIVER_VARIABLE}, and no wheel "
            "mssql-python-odbc; install one of them, or name it in the URL: driver=<name or path>"
        )
    return found


def server_of(url: sa.URL) -> str:
    """Server and database, for messages."""
    host = url.host or "of a connection string"
    port = f":{url.port}" if url.port else ""
    return f"SQL Server {host}{port}/{url.database or ''}"


def _in_wheel() -> str:
    spec = importlib.util.find_spec("mssql_python_odbc")
    if spec is None or spec.origin is None:
        return ""
    libraries = Path(spec.origin).parent / "libs" / "linux"
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    wanted = (
        ["debian_ubuntu", "rhel", "suse"] if Path("/etc/debian_version").exists() else ["rhel", "suse", "debian_ubuntu"]
    )
    for system in [*wanted, "alpine"]:
        paths = sorted(glob.glob(str(libraries / system / machine / "lib" / "libmsodbcsql*.so*")))
        if paths:
            return paths[-1]
    return ""


def session(lock_ms: int) -> str:
    """What a new connection is told: any error ends the transaction, and no lock is waited for without end."""
    return f"SET XACT_ABORT ON; SET LOCK_TIMEOUT {lock_ms}"


async def _prepare(lock_ms: int, connection: Any) -> None:
    """Settings of a new connection, which no statement needs to repeat; said without a parameter, so that they last."""
    connection.timeout = STATEMENT_S
    await asyncio.get_running_loop().run_in_executor(None, _say, connection, session(lock_ms))


def _say(connection: Any, text: str) -> None:
    connection.execute(text).close()
    connection.commit()


def _pyodbc() -> Any:
    try:
        import pyodbc  # noqa: PLC0415  optional, and it loads the driver manager
    except ImportError as error:
        raise InvalidSettings(f"expected what SQL Server needs to be installed, got: {error}; {_INSTALL}") from error
    return pyodbc
