"""Which calendar a site and each of its machines work by, as a plant file says it.

Rules: a machine's own `calendar` stands before that of its line, and that one before the site's. A calendar of several entries
is one calendar in versions, each from its valid_from on. Planned stops of a machine are its own, beside those of its calendar.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tailrace.app import zones
from tailrace.schemas.calendar import Calendar
from tailrace.schemas.wall import Day

if TYPE_CHECKING:
    from tailrace.app.settings import Plant


class Work(NamedTuple):
    """A calendar in its versions, by valid_from, and its zone."""

    versions: list[Calendar]
    zone: tzinfo


def versions_of(plant: Plant, name: str) -> list[Calendar]:
    """The entries of a calendar, by valid_from; one without it is the first."""
    found = [each for each in plant.calendars if each.name == name]
    return sorted(found, key=lambda each: each.valid_from or Day.min)


def zone_name(plant: Plant, name: str) -> str:
    """The zone in which a calendar's times are meant: what one of its entries says, else the site's."""
    said = (each.timezone for each in plant.calendars if each.name == name and each.timezone)
    return next(said, plant.site.timezone)


def name_for(plant: Plant, machine: str) -> str:
    """The calendar by which a machine of the file works; "" = none."""
    found = plant.machines[machine]
    line = plant.lines.get(found.line)
    return found.calendar or (line.calendar if line else "") or plant.site.calendar


def work(plant: Plant, name: str) -> Work:
    """A calendar of a file in which nothing is wrong."""
    zone = zones.zone(zone_name(plant, name))
    assert zone is not None
    return Work(versions_of(plant, name), zone)


def work_of(plant: Plant, machine: str) -> Work | None:
    """By what a machine works; None where nothing says it."""
    name = name_for(plant, machine)
    if not name:
        return None
    found = work(plant, name)
    first, *later = found.versions
    stops = [*first.planned_stops, *plant.machines[machine].planned_stops]
    return found._replace(versions=[msgspec.structs.replace(first, planned_stops=stops), *later])


def is_site_s(plant: Plant, machine: str) -> bool:
    """Whether a machine works by the site's calendar and by nothing else."""
    return name_for(plant, machine) == plant.site.calendar and not plant.machines[machine].planned_stops
