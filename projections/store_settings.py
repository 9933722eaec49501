"""What a plant file says about a database that gets the read models too: where it is, and who one is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from tailrace.schemas.errors import InvalidSettings

SERVER, FILE = "mssql+aioodbc", "sqlite"
FORM = f"{SERVER}://user@host:port/database?driver=… or {FILE}:////folder/file.db"


class ReadModels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A database that gets the tables of read.db as well, from the same records.

    url: mssql+aioodbc://user@host:port/database?driver=… for SQL Server, sqlite:////folder/file.db for a file. schema: where the
    tables are in SQL Server; absent: the log-in's own. password_file, password_env: the file or the environment variable with
    the password, which is never shown.
    """

    url: Annotated[str, msgspec.Meta(min_length=1)]
    schema: str = ""
    password_file: str = ""
    password_env: str = ""

    @property
    def where(self) -> str:
        """The database, for messages."""
        url = sa.make_url(self.url)
        if url.drivername == FILE:
            return f"{FILE} {url.database}"
        return url.set(query={}).render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The SQLite file that it is, or None."""
        url = sa.make_url(self.url)
        return Path(url.database or "") if url.drivername == FILE else None

    def whole(self) -> str:
        """The URL with its password; raises InvalidSettings where that is not to be had."""
        url = sa.make_url(self.url)
        found = self._password()
        return url.set(password=found).render_as_string(hide_password=False) if found else self.url

    def absolute(self) -> ReadModels:
        """The same, from whatever folder it is read."""
        if self.file is None:
            return self
        return msgspec.structs.replace(self, url=f"{FILE}:///{self.file.absolute()}")

    def problems(self) -> Iterator[tuple[str, str]]:
        """What types cannot say, with the field that it is about."""
        try:
            url = sa.make_url(self.url)
        except ArgumentError:
            yield "url", f"expected {FORM}, got what is no URL"
            return
        if url.drivername not in (SERVER, FILE):
            yield "url", f"expected {FORM}, got one of {url.drivername!r}"
        elif not url.database:
            yield "url", f"expected a {'file' if url.drivername == FILE else 'database'} in it, as in {FORM}"
        if url.password or any(word in str(url.query).lower() for word in ("pwd=", "password=")):
            yield (
                "url",
                "expected no password in it; put it into a file or an environment variable: password_file, password_env",
            )
        if self.password_file and self.password_env:
            yield "password_env", "expected password_file or password_env, got both"
        if (self.password_file or self.password_env) and not url.username:
            yield "url", f"expected a user beside the password, as in {FORM}"

    def _password(self) -> str:
        if self.password_env:
            found = os.environ.get(self.password_env, "")
            if not found:
                raise InvalidSettings(
                    f"read_models: expected the password for {self.where} in the environment variable {self.password_env}, "
                    "got none"
                )
            return found
        if not self.password_file:
            return ""
        try:
            found = Path(self.password_file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "text that is not UTF-8"
            raise InvalidSettings(
                f"read_models: password_file {self.password_file}: expected a file with the password, got: {reason}"
            ) from None
        if not found:
            raise InvalidSettings(
                f"read_models: password_file {self.password_file}: expected a file with the password, got an empty one"
            )
        return found
