"""Port: what rows a log makes.

Order     `changes` is given new records in log order, in any batches; what it says depends on them alone.
Rows      absolute values by business key (engine/store.py): giving the same again is safe.
Cut       a batch may end between two outputs of one cause, so a row never waits for the rest of its cause.
Callers   one projector; nothing here awaits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from tailrace.engine.store import Change
from tailrace.schemas.record import Derived, Record

R_co = TypeVar("R_co", bound=Record | Derived, covariant=True)
R_contra = TypeVar("R_contra", bound=Record | Derived, contravariant=True)


class Part(NamedTuple, Generic[R_co]):
    """What is new in a record: everything but the `skip` leading events, which were taken before."""

    record: R_co
    skip: int = 0


class Projection(Protocol[R_contra]):
    """A pure mapping from new records of one log to rows. `reads` names the log."""

    @property
    def name(self) -> str: ...

    @property
    def reads(self) -> Literal["events", "derived"]: ...

    def wants(self, record: R_contra) -> bool: ...

    def changes(self, parts: Sequence[Part[R_contra]]) -> Sequence[Change]: ...
