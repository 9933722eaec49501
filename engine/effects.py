"""Effects: what Tailrace does outside, a mail, an order, a write to a machine: at most once unless the outside can tell repeats.

Rules
1. An attempt is in the log, durably, before anything is done, and its result after. So a crash in between leaves an attempt
   without a result: nobody knows what the outside did, and `effect.unknown` says so.
2. What is unknown is tried again with the same key where the outside takes keys, and knows a repeat by them. Where it does not, a
   person decides: `unknown` names what waits, and `again` tries it.
3. What is done or refused is never tried again. All this is in the log: a dispatcher that starts reads it and goes on.
4. The dispatcher alone acts, and a replay has none; a copy of a log that is replayed acts on nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from tailrace.engine.log import Log
from tailrace.schemas import codec
from tailrace.schemas.errors import NotFound, Unavailable
from tailrace.schemas.event import (
    OWN,
    Effect,
    EffectAttempted,
    EffectDone,
    EffectFailed,
    EffectUnknown,
)
from tailrace.schemas.instant import Instant

BATCH = 500
DETAIL_MAX = 500
"""Characters of what the outside said that are kept."""

_TYPES: dict[str, type[Effect]] = {
    "effect.attempted": EffectAttempted,
    "effect.done": EffectDone,
    "effect.failed": EffectFailed,
    "effect.unknown": EffectUnknown,
}


class Wanted(msgspec.Struct, frozen=True):
    """An effect that a fold wants. id: the derived event's; it is the key by which the outside may know a repeat."""

    id: str
    target: str
    machine: str = ""
    body: bytes = b""


class Refused(Exception):
    """The outside said no; nothing happened there."""


class Target(Protocol):
    """Something outside. Order: one effect at a time. Retry: `act` may come again with the same id only where `takes_keys`.

    `act` gives what the outside said. It raises Refused where nothing happened; whatever else it raises, nobody knows.
    """

    takes_keys: bool

    async def act(self, wanted: Wanted) -> str: ...


class Dispatcher:
    """Does what is wanted, each once; one a log. clock gives ns UTC; token is different in every run."""

    def __init__(self, log: Log, targets: Mapping[str, Target], *, clock: Callable[[], int], token: str) -> None:
        self._log, self._targets, self._clock, self._token = log, targets, clock, token
        self._stands: dict[str, type[Effect]] = {}
        self._said = self._read = 0

    @property
    def unknown(self) -> list[str]:
        """Effects of which nobody knows what the outside did, in the order of their attempts."""
        return [id_ for id_, stands in self._stands.items() if stands is EffectUnknown]

    async def restore(self) -> None:
        """Reads the log up to its end: what was attempted before and has no result is unknown from now on."""
        while records := await self._log.read(self._read, BATCH):
            for record in records:
                if record.type in _TYPES and record.source == OWN:
                    (event,) = codec.events_of(record)
                    assert isinstance(event, Effect)
                    self._stands[event.effect] = _TYPES[record.type]
            self._read = records[-1].position
        for id_ in [id_ for id_, stands in self._stands.items() if stands is EffectAttempted]:
            await self._say(
                EffectUnknown, id_, "", "it was attempted, and its dispatcher ended before it had an answer"
            )

    async def dispatch(self, wanted: Wanted) -> type[Effect]:
        """Does it, unless it was done or refused, or waits for a person; gives where it stands then."""
        stands = self._stands.get(wanted.id)
        if stands is None or (stands is EffectUnknown and self._target(wanted).takes_keys):
            return await self._attempt(wanted)
        return stands

    async def again(self, wanted: Wanted) -> type[Effect]:
        """A person wants what is unknown to be tried once more; raises NotFound where nothing is unknown of it."""
        if self._stands.get(wanted.id) is not EffectUnknown:
            raise NotFound(
                f"effect {wanted.id!r}: expected one of which nobody knows what happened, got one that is not"
            )
        return await self._attempt(wanted)

    async def _attempt(self, wanted: Wanted) -> type[Effect]:
        target = self._target(wanted)
        await self._say(EffectAttempted, wanted.id, wanted.machine, wanted.target)
        try:
            said = await target.act(wanted)
        except Refused as error:
            return await self._say(EffectFailed, wanted.id, wanted.machine, str(error))
        except Exception as error:
            return await self._say(EffectUnknown, wanted.id, wanted.machine, f"{type(error).__name__}: {error}")
        return await self._say(EffectDone, wanted.id, wanted.machine, said)

    def _target(self, wanted: Wanted) -> Target:
        found = self._targets.get(wanted.target)
        if found is None:
            raise NotFound(
                f"effect {wanted.id!r}: expected a target of {', '.join(sorted(self._targets)) or 'none'}, got {wanted.target!r}"
            )
        return found

    async def _say(self, kind: type[Effect], id_: str, machine: str, detail: str) -> type[Effect]:
        """Durable when it returns; an append that fails ends the call, and the next dispatcher finds what the log has."""
        self._said += 1
        t = Instant(self._clock())
        event = kind(
            machine=machine, t=t, ingested=t, id=f"effect:{self._token}:{self._said}", effect=id_, key=id_,
            detail=detail[:DETAIL_MAX],
        )  # fmt: skip
        receipt = await self._log.append([codec.record_of(event, source=OWN)])
        if receipt.conflicts:
            raise Unavailable(
                f"effect {id_!r}: expected a token that no dispatcher had before, got {self._token!r} again"
            )
        self._stands[id_] = kind
        return kind
