"""Port: where a worker's state survives.

Order     a checkpoint is a manifest and the pages that changed since its base, the one that its worker restored or saved last
          (0: none). Pages are immutable; the one that holds at a position is the newest at or before it.
Line      checkpoints form one line: `save` first takes away what was stored after the base, by whomever, then writes the
          pages, then the manifest. A save that another one overtakes is not stored.
Stale     `save` on a base that is no longer kept, and `page` at a position that is none of a kept manifest, raise
          StaleWriter: pages may be gone there, and absent must never read as empty.
Ack       `save` returns when pages and manifest are stored; a crash in between leaves pages without a manifest, which is fine.
Retry     losing everything is safe: a worker starts from zero, with the same result.
Keep      at least the two newest manifests, and the pages that hold at them.
Callers   one worker saves; a stale one costs the others a restore, never a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """That a state existed: after `position` (whose record had `record_hash`), with every output up to it acknowledged.

    derived_end: position of its seal in `derived`, after which newer outputs are found. marks: highest n per key.
    base: position of the checkpoint that its pages come on top of.
    """

    topology: str
    version: int
    position: int
    record_hash: bytes
    derived_end: int
    marks: Mapping[str, int]
    base: int = 0


class Checkpoints(Protocol):
    """State pages and manifests of every topology."""

    async def save(self, manifest: Manifest, pages: Mapping[str, bytes]) -> None: ...

    async def manifests(self, topology: str, version: int) -> Sequence[Manifest]: ...

    def page(self, topology: str, version: int, name: str, position: int) -> bytes | None: ...
