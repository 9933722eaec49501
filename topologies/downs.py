"""The stops of a timeline: stretches in which the machine is down, cut and joined as the marks say.

Rules: without a mark a stop is a maximal stretch in which the machine is down. A cut inside one makes two of it; a join makes one
of those that it bridges, and what ran between them is a gap of it. Of the marks that touch a parting the last one decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from tailrace.topologies.interval import Stretch
from tailrace.topologies.marks import Mark, Span, without


class Down(msgspec.Struct, frozen=True):
    """A stop: [start, end) in ns, the word code with which it began, what ran in it, and the marks that made it so."""

    start: int
    end: int
    word: int
    gaps: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()

    def parts(self) -> list[Span]:
        """Where the machine was down."""
        return without(self.start, self.end, self.gaps)


def stops(found: Sequence[Stretch], marks: Sequence[Mark]) -> list[Down]:
    """The stops of a timeline, in order; marks: those that stand, in order."""
    made: list[Down] = []
    for piece in _pieces(found, marks):
        if not made or not marks:
            made.append(piece)
            continue
        last = made[-1]
        decides = _decides(marks, last.end, piece.start)
        if decides is None:
            made.append(piece)
        elif decides.joins:
            gaps = (*last.gaps, (last.end, piece.start))
            made[-1] = Down(last.start, piece.end, last.word, gaps, (*last.marks, *piece.marks, decides))
        else:
            made[-1] = msgspec.structs.replace(last, marks=(*last.marks, decides))
            made.append(msgspec.structs.replace(piece, marks=(*piece.marks, decides)))
    return made


def _pieces(found: Sequence[Stretch], marks: Sequence[Mark]) -> Iterator[Down]:
    """Maximal stretches in which the machine is down, cut where a cut stands."""
    cuts = sorted({mark.start for mark in marks if not mark.joins})
    for down, same in groupby(found, key=lambda s: s.down):
        if not down:
            continue
        together = list(same)
        start, end = together[0].start, together[-1].end
        inside = [at for at in cuts if start < at < end and _parts(marks, at)]
        for a, b in zip([start, *inside], [*inside, end], strict=True):
            yield Down(a, b, next(s.word for s in together if s.start <= a < s.end))


def _parts(marks: Sequence[Mark], at: int) -> bool:
    mark = _decides(marks, at, at)
    return mark is not None and not mark.joins


def _decides(marks: Sequence[Mark], begin: int, end: int) -> Mark | None:
    return next((mark for mark in reversed(marks) if mark.touches(begin, end)), None)
