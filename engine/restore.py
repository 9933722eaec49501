"""Where a tenancy begins: at the newest checkpoint that holds, knowing what `derived` has beyond it.

Rules
1. A checkpoint holds while the two records that it stands on are there: the log's record at its position, and its seal in
   `derived`. Where one is missing or another, an older checkpoint is taken, or none: starting too early is always safe.
2. A seal is a record of no events. Its writer had every output up to `cause` acknowledged before, and a log loses only its
   end; so whoever finds the seal has those outputs, for every key.
3. Outputs after the seal are found by reading, and known by the highest n per key: n is dense, so a higher one has all before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from tailrace.engine.checkpoints import Checkpoints, Manifest
from tailrace.engine.first import Begin, Keep
from tailrace.engine.log import DerivedLog, Log
from tailrace.engine.parking import PAGE, Lot
from tailrace.engine.reader import require_next
from tailrace.engine.topology import Topology
from tailrace.schemas.errors import Conflict
from tailrace.schemas.parking import KEY
from tailrace.schemas.record import Derived, Record

SEAL = "sealed"
READ_MAX = 1000
"""Records of `derived` read at once."""


def record_hash(record: Record) -> bytes:
    """16 bytes that tell a record from any other."""
    return hashlib.blake2b(msgspec.msgpack.encode(record), digest_size=16).digest()


def seal(topology: Topology, position: int) -> Derived:
    """Says in `derived` that every output up to a position of the log stands before; a reader knows it already, having n = 0."""
    return Derived(
        topology=topology.name, version=topology.version, key="", first_n=1, n=0, kind=SEAL, cause=position, body=b""
    )


class Tenancy:
    """What a worker holds between a restore and the first failure.

    base: the checkpoint that has every page which is not dirty. sent: highest n in `derived`, per key. lot: parked streams.
    first: the stage before the fold, where repeats reach the log; keep: which events of the next record are new, None = all.
    """

    def __init__(
        self, topology: Topology, checkpoints: Checkpoints, base: Manifest, sent: Mapping[str, int], first: Begin | None
    ) -> None:
        self._checkpoints = checkpoints
        self.base, self.sent = base, dict(sent)
        self.position = base.position
        self.last: Record | None = None
        self.lot = Lot(topology, self._load(PAGE))
        self._first = first(self._load) if first else None
        self.keep: Keep = self._first.keep if self._first else _all
        self.state = topology.restore({key: n for key, n in base.marks.items() if not key.startswith(KEY)}, self._load)

    def folded(self, last: Record) -> None:
        """Every output up to this record is acknowledged."""
        self.position, self.last = last.position, last

    def marks(self) -> dict[str, int]:
        """Highest n given out by the state, per key that has one, and of what is said of parked streams."""
        return {key: n for key, n in self.state.marks.items() if n} | self.lot.marks()

    def pages(self) -> dict[str, bytes]:
        """What changed since the last call."""
        self.lot.changed = False
        first = self._first.dirty() if self._first else {}
        return {**self.state.dirty(), **first, PAGE: self.lot.encode()}

    def _load(self, page: str) -> bytes | None:
        base = self.base
        return self._checkpoints.page(base.topology, base.version, page, base.position) if base.position else None


def _all(_: Record) -> None:
    """Of a log that repeats do not reach."""


class Restore:
    """Begins tenancies of one topology."""

    def __init__(
        self, topology: Topology, events: Log, derived: DerivedLog, checkpoints: Checkpoints, first: Begin | None = None
    ) -> None:
        self._first = first
        self._topology, self._events, self._derived, self._checkpoints = topology, events, derived, checkpoints
        self._name = f"{topology.name}@{topology.version}"

    async def tenancy(self) -> Tenancy:
        """A state and what is known of its outputs. Raises Conflict where `derived` was made of another log."""
        base = await self._base()
        return Tenancy(self._topology, self._checkpoints, base, await self._found(base), self._first)

    async def _base(self) -> Manifest:
        name, version = self._topology.name, self._topology.version
        manifests = await self._checkpoints.manifests(name, version)
        for manifest in sorted(manifests, key=lambda each: each.position, reverse=True):
            if await self._in_events(manifest) and await self._in_derived(manifest):
                return manifest
        return Manifest(topology=name, version=version, position=0, record_hash=b"", derived_end=0, marks={})

    async def _in_events(self, manifest: Manifest) -> bool:
        at = await self._events.read(manifest.position - 1, 1)
        return bool(at) and record_hash(at[0]) == manifest.record_hash

    async def _in_derived(self, manifest: Manifest) -> bool:
        at = await self._derived.read(manifest.derived_end - 1, 1)
        return bool(at) and self._own(at[0]) and at[0].kind == SEAL and at[0].cause == manifest.position

    async def _found(self, base: Manifest) -> Mapping[str, int]:
        found, position, end, cause = dict(base.marks), base.derived_end, await self._derived.end(), 0
        while position < end:
            records = await self._derived.read(position, READ_MAX)
            require_next(records, position, self._name)
            for record in filter(self._own, records):
                if record.last_n > found.get(record.key, 0):
                    found[record.key], cause = record.last_n, max(cause, record.cause)
            position = records[-1].position
        await self._require_log(cause)
        return found

    async def _require_log(self, cause: int) -> None:
        end = await self._events.end()
        if cause > end:
            raise Conflict(
                f"{self._name}: expected a log that reaches position {cause}, which caused an output in `derived`, got one that "
                f"ends at {end}; `derived` was made of another log: bring that log back, or delete `derived` and the checkpoints"
            )

    def _own(self, record: Derived) -> bool:
        return record.topology == self._topology.name and record.version == self._topology.version
