"""The database that gets the read models too, looked at: whether it answers, and how far its rows are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from tailrace.app import compose, sql_verify
from tailrace.app.doctor_check import Check
from tailrace.projections.store_settings import ReadModels
from tailrace.schemas.errors import TailraceError

NAME = "read models"


def looks(settings: ReadModels) -> Iterator[Check]:
    """One check; nothing is made there."""
    if settings.file is not None and not settings.file.exists():
        yield Check(NAME, "ok", f"{settings.where}: not there yet, `tailrace up` makes it")
        return
    try:
        reached = asyncio.run(sql_verify.reaches(compose.sql_store(settings)))
    except TailraceError as error:
        todo = "`tailrace up` goes on without it, tries again, and catches up"
        yield Check(NAME, "attention", str(error), todo)
    else:
        yield Check(NAME, "ok", f"{settings.where}: its rows are there up to position {reached}")
