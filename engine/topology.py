"""Port: a pure fold over the log.

Order     `fold` is given records in log order, in any batches; what it gives back depends on the records alone, never on the
          batches, a clock or a hash order. An output is decided at its record's end.
Identity  it numbers its outputs per key, densely from 1, in its state: (topology, version, key, n).
State     it lives in pages, named blobs: `dirty` gives those that changed since the last call, `load` brings one back.
Errors    a record that cannot be folded raises, and leaves a state that nobody uses again; the worker finds out which one it
          is, and parks its machine's stream (engine/parking.py). So raising has to hang on the records alone.
Callers   one worker owns one state; nothing here awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tailrace.schemas.record import Derived, Record

Load = Callable[[str], bytes | None]
"""Page name -> bytes of the page as last saved: at the restored position, then at each checkpoint of this tenancy.

So a state may drop a page from memory once `dirty` has given it out and no record has changed it since. None: no such page."""


class State(Protocol):
    """The state of one topology. `marks` is the highest n given out, per key."""

    @property
    def marks(self) -> Mapping[str, int]: ...

    def fold(self, records: Sequence[Record]) -> Sequence[Derived]: ...

    def dirty(self) -> Mapping[str, bytes]: ...


class Topology(Protocol):
    """A named, versioned fold."""

    name: str
    version: int

    def restore(self, marks: Mapping[str, int], load: Load) -> State: ...
