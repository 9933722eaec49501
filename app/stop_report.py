"""What stops cost in a window, with the six big losses: stops from the rows, losses from the facts of which the rows were made.

Rules: every machine is judged by its own definitions: their `microstop_s` parts minor stops from failures, each at the time at
which the stop begins. A threshold that is given is that of MTBF and MTTR alone. A machine that no fold knows has no stops.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tailrace.app.known_rows import rows_of
from tailrace.app.oee_answer import AFTER, BEFORE, definitions, found
from tailrace.app.oee_picture import Picture, pictured
from tailrace.projections import lines, losses, pareto
from tailrace.projections.losses import Reasoned
from tailrace.projections.oee_result import Account
from tailrace.projections.pareto import Stretch
from tailrace.projections.reasons import tree
from tailrace.schemas.answer import StopReport
from tailrace.schemas.errors import NotFound
from tailrace.schemas.reason import Loss
from tailrace.topologies.machine import Machine


class _Judged(msgspec.Struct, frozen=True):
    """What a machine's facts say of a window: its accounts, the stops that reasons move, and microstop_s by time."""

    accounts: list[Account]
    reasoned: list[Reasoned]
    since: list[int]
    microstops: list[int]

    def short(self, t: int) -> int:
        """The threshold at a time, ns."""
        return self.microstops[bisect_right(self.since, t) - 1]


def report(
    directory: Path,
    now: int,
    start: int,
    end: int,
    *,
    machine: str | None = None,
    line: str | None = None,
    microstop: int | None = None,
    known_at: int | None = None,
) -> StopReport:
    """The Pareto of [start, end) in ns, MTBF and MTTR, and the six big losses; microstop in ns, for MTBF and MTTR.

    known_at: as they were known at a time (ns), when an open stop had lasted until then.
    """
    now = now if known_at is None else min(now, known_at)
    with pictured(directory, known_at) as picture, rows_of(picture) as connection:
        names = [each for each in lines.members(connection, line, ()) if machine in (None, each)]
        stops = pareto.stretches(connection, now, start, end, names)
        named = {each.reason: each.loss for each in tree(connection)}
        judged = _judged(picture, names, stops, start, end, named)
        stops = [each for each in stops if each.machine in judged]

        def short(name: str, t: int) -> int:
            return judged[name].short(t)

        items = pareto.items(stops, start, end, short, named)
        mtbf, mttr = pareto.means(
            connection, stops, now, start, end, machines=list(judged),
            short=short if microstop is None else lambda _, __: microstop,
        )  # fmt: skip
    accounts = [account for each in judged.values() for account in each.accounts]
    reasoned = [stop for each in judged.values() for stop in each.reasoned]
    return StopReport(
        items=items, down_s=sum(each.duration_s for each in items), stops=len(stops), mtbf=mtbf, mttr=mttr,
        losses=losses.six(accounts, reasoned), lost_s=losses.lost_s(accounts),
    )  # fmt: skip


def _judged(
    picture: Picture,
    names: Sequence[str],
    stops: Sequence[Stretch],
    start: int,
    end: int,
    named: Mapping[str, Loss | None],
) -> dict[str, _Judged]:
    made: dict[str, _Judged] = {}
    for name in names:
        mine = [each for each in stops if each.machine == name]
        try:
            facts = picture.facts(name)
        except NotFound:
            continue
        made[name] = _judge(facts, mine, start, end, named)
    return made


def _judge(facts: Machine, stops: Sequence[Stretch], start: int, end: int, named: Mapping[str, Loss | None]) -> _Judged:
    """An open stop holds as far as the OEE of the window sees it."""
    reasoned = []
    for each in stops:
        loss = named.get(each.reason)
        if loss is not None and losses.moves(each.category, loss):
            parts = [account for a, b in each.within(start, end, until=end) for account in found(facts, a, b).accounts]
            reasoned.append(Reasoned(each.category, loss, sum(parts, Account())))
    in_use = list(definitions(facts, BEFORE, AFTER))
    since, microstops = [a for a, *_ in in_use], [int(policy.microstop_s) for *_, policy in in_use]
    return _Judged(found(facts, start, end).accounts, reasoned, since, microstops)
