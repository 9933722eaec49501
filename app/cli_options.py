"""Options and arguments that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from tailrace.app.settings import DATA, FILE, Plant, load
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.instant import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant

_UNITS = {"s": SECOND, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY}


class Time(click.ParamType):  # type: ignore[type-arg]
    """An instant: ISO 8601 with offset, or Unix seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Instant:
        if isinstance(value, Instant):
            return value
        try:
            return parse_instant(Decimal(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else value)
        except InvalidEvent as error:
            self.fail(str(error), param, ctx)


class Length(click.ParamType):  # type: ignore[type-arg]
    """A length of time: 30s, 15min, 1h, 1d."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d{1,9})(s|m|min|h|d)", str(value).strip())
        if match is None or not int(match[1]):
            self.fail(f"expected a length of time like 30s, 15min, 1h or 1d, got {value!r}", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


directory = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help=f"Data folder (default: data: of ./{FILE}, else ./{DATA}).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def folder(given: Path | None, plant: Callable[[], Plant | None] | None = None) -> Path:
    """The data folder: --dir, else `data:` of the plant file, else ./tailrace-data."""
    if given is not None:
        return given
    found = plant() if plant is not None else here()
    return folder_of(found, Path(FILE)) if found else Path(DATA)


def here() -> Plant | None:
    """The plant of this folder, if there is one. Raises InvalidSettings where it is wrong."""
    return load(Path(FILE)) if Path(FILE).is_file() else None


def folder_of(plant: Plant, path: Path) -> Path:
    """The data folder that a plant file means."""
    return path.parent / plant.data if plant.data else Path(DATA)
