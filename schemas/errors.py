"""The one tree of errors.

    TailraceError
    ├── InvalidInput        what came in cannot be taken: quarantine it, say why
    │   ├── InvalidEvent        a line, payload or frame
    │   ├── Unfoldable          a record in the log that its fold cannot take
    │   └── InvalidSettings     the plant file or a command's words
    ├── Conflict            the same identity with other content, or a gap where none may be
    │   ├── SequenceGap
    │   └── StaleWriter
    ├── NotFound            a machine, file or version that nobody has heard of
    └── Unavailable         something outside failed: retry, or tell the person
        ├── SendFailed          an append was not acknowledged
        └── Owned               another process owns the data folder

Every message states what was expected, what came, and where.
"""

from __future__ import annotations


class TailraceError(Exception):
    """Base of everything Tailrace raises on purpose."""


class InvalidInput(TailraceError):
    """What came in cannot be taken as it is."""


class InvalidEvent(InvalidInput):
    """A line, payload or frame that is not an event."""


class Unfoldable(InvalidInput):
    """A record in the log that its fold cannot take; the message names position, type and id."""


class InvalidSettings(InvalidInput):
    """A plant file or command that cannot be carried out; the message names the fix."""


class Conflict(TailraceError):
    """Two facts that exclude each other."""


class SequenceGap(Conflict):
    """A derived event is missing: n is above the reader's mark + 1."""

    def __init__(self, key: str, expected: int, actual: int, where: str) -> None:
        super().__init__(f"{where}: key {key!r}: expected n={expected}, got n={actual}; stopping, nothing is skipped")
        self.key, self.expected, self.actual = key, expected, actual


class NotFound(TailraceError):
    """Nobody has heard of the thing that was asked for."""


class Unavailable(TailraceError):
    """Something outside failed."""


class SendFailed(Unavailable):
    """An append was not acknowledged; whether it is stored is unknown."""


class Owned(Unavailable):
    """Another process owns the data folder."""


class StaleWriter(Conflict):
    """Another writer has moved the projection on: restore from the store's place."""
