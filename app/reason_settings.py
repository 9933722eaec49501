"""`reasons:` of a plant file: a tree of groups, and of the reasons in them that people choose for stops.

Rules: what has `reasons` is a group, what has none is a reason. A reason has the category, the loss, the machines and the lines
that it names itself, else those of the nearest group around it that does. Each reason stands once in the whole tree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, NamedTuple, get_args

import msgspec

from tailrace.app.checked import nearest
from tailrace.app.yaml_lines import Path as Place
from tailrace.schemas.line import KEY_MAX
from tailrace.schemas.reason import Loss, StopCategory, StopReason

DEPTH_MAX = 8
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_MAX)]


class ReasonGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reason for stops, or a group of them. name: what people choose. category: what such a stop is.

    loss: which of the six big losses a stop counts under, that is no microstop; absent: by its category (docs/stops.md).
    machines, lines: for which it is offered; both absent: for all.
    """

    name: Word
    category: StopCategory | None = None
    loss: Loss | None = None
    machines: list[Word] = []
    lines: list[Word] = []
    reasons: list[ReasonGroup] = []


class Leaf(NamedTuple):
    """A reason with what it has from the groups around it, and where it stands in the file."""

    place: Place
    group: ReasonGroup
    path: list[str]


def leaves(tree: Sequence[ReasonGroup]) -> list[StopReason]:
    """The reasons of a tree without problems, in its order."""
    return [
        StopReason(
            reason=each.group.name, category=each.group.category or "unknown", path=each.path, loss=each.group.loss,
            machines=each.group.machines, lines=each.group.lines,
        )
        for each in _walk(tree, ("reasons",), None, [])
    ]  # fmt: skip


def problems(
    tree: Sequence[ReasonGroup], machines: Collection[str], lines: Collection[str]
) -> Iterator[tuple[Place, str]]:
    """What types cannot say: no category, a reason twice, a machine or a line that is not there."""
    seen: set[str] = set()
    for place, group, path in _walk(tree, ("reasons",), None, []):
        if len(path) >= DEPTH_MAX:
            yield place, f"expected at most {DEPTH_MAX} levels of reasons, got more; put groups together"
        if not group.name.isprintable():
            yield (*place, "name"), f"expected printable characters, got {group.name!r}"
        if group.category is None:
            words = ", ".join(get_args(StopCategory))
            yield place, f"expected a category ({words}) of it or of a group around it, got none; add `category:`"
        if group.name in seen:
            yield (
                (*place, "name"),
                f"expected each reason once in the tree, got {group.name!r} again; name one of them apart",
            )
        seen.add(group.name)
        for field, names, known in (("machines", group.machines, machines), ("lines", group.lines, lines)):
            for name in names:
                if name not in known:
                    yield (*place, field), f"expected {field} of this file, got {name!r}; {nearest(name, known)}"


def _walk(tree: Sequence[ReasonGroup], at: Place, above: ReasonGroup | None, path: list[str]) -> Iterator[Leaf]:
    for i, own in enumerate(tree):
        place, group = (*at, i), _inherit(own, above)
        if not group.reasons or len(path) >= DEPTH_MAX:
            yield Leaf(place, group, path)
        else:
            yield from _walk(group.reasons, (*place, "reasons"), group, [*path, group.name])


def _inherit(own: ReasonGroup, above: ReasonGroup | None) -> ReasonGroup:
    if above is None:
        return own
    placed = own if own.machines or own.lines else above
    return msgspec.structs.replace(
        own, category=own.category or above.category, loss=own.loss or above.loss, machines=placed.machines,
        lines=placed.lines,
    )  # fmt: skip
