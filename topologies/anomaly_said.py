"""What people and machines say that a model must know: products and settings over time, and how counters behave.

Rules: a product holds from its t, settings from their valid_from, whenever they arrive; of equal ones the later in
(t, seq, position) stands. A machine's own settings stand before the site's; without any, the defaults. Few are kept: the
newest CHANGES_MAX products and ASKED_MAX settings of each kind; before them holds what was let go last.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.anomaly import Settings
from tailrace.schemas.event import Counter, CounterName, MachineRegistered, ModelSet, ProductChanged
from tailrace.topologies.plan import NONE

CHANGES_MAX = 6
ASKED_MAX = 2

Ints = NDArray[np.int64]


class Change(msgspec.Struct, frozen=True, array_like=True, order=True):
    """From t on a product is made."""

    t: int
    seq: int
    position: int
    product: str


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """From valid_from on, as said at t, these settings are to be used."""

    valid_from: int
    t: int
    position: int
    settings: Settings


class Said(msgspec.Struct):
    """Everything said of one machine. product: the one before the first change. registered: (t, seq, position)."""

    product: str = ""
    changes: list[Change] = []
    own: list[Asked] = []
    site: list[Asked] = []
    counters: dict[CounterName, Counter] = {}
    registered: tuple[int, int, int] = (NONE, NONE, NONE)

    def change(self, event: ProductChanged, position: int) -> None:
        """Another product from event.t on."""
        insort(self.changes, Change(int(event.t), _seq(event.seq), position, event.product))
        if len(self.changes) > CHANGES_MAX:
            self.product = self.changes.pop(0).product

    def ask(self, event: ModelSet, settings: Settings, position: int) -> None:
        """Other settings from event.valid_from on."""
        asked = self.own if event.machine else self.site
        insort(asked, Asked(valid_from(event), int(event.t), position, settings), key=_order)
        del asked[: max(len(asked) - ASKED_MAX, 0)]

    def register(self, event: MachineRegistered, position: int) -> None:
        """How the machine's counters behave."""
        place = (int(event.t), _seq(event.seq), position)
        if place > self.registered:
            self.counters, self.registered = event.counters, place

    def products(self, *times: Ints) -> tuple[Sequence[str], list[Ints]]:
        """Products, and which of them is made at each instant."""
        starts = np.array([change.t for change in self.changes], np.int64)
        names = [self.product, *(change.product for change in self.changes)]
        return names, [np.searchsorted(starts, t, side="right") for t in times]

    def settings(self, t: Ints) -> tuple[Sequence[Settings], Ints]:
        """Settings, and which of them are in use at each instant."""
        starts = sorted({asked.valid_from for asked in (*self.own, *self.site)})
        used = [Settings(), *(self._settings_at(start) for start in starts)]
        return used, np.searchsorted(np.array(starts, np.int64), t, side="right")

    def _settings_at(self, t: int) -> Settings:
        site = [asked.settings for asked in self.site if asked.valid_from <= t]
        own = [asked.settings for asked in self.own if asked.valid_from <= t]
        return (own or site)[-1]


def valid_from(event: ModelSet) -> int:
    """From when its settings are to be used."""
    return int(event.t if event.valid_from is None else event.valid_from)


def _order(asked: Asked) -> tuple[int, int, int]:
    return asked.valid_from, asked.t, asked.position


def _seq(seq: int | None) -> int:
    return NONE if seq is None else seq
