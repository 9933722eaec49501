"""A machine seen through one definition: the facts stay, what they are judged by is replaced.

Rules: `name` is the latest version of it, `name@n` that one, and it holds for the whole of any window, whatever its valid_from.
A definition of the log stands before a built-in one of the same name. State words mean what the definition says they mean; a
built-in one leaves them what the machine's own definitions say.
"""

from __future__ import annotations

import re

import msgspec
import numpy as np

from tailrace.projections.oee_definition import BUILT_IN, VERSION
from tailrace.schemas.errors import InvalidInput, NotFound
from tailrace.topologies.interval import up_at
from tailrace.topologies.machine import Machine
from tailrace.topologies.plan import Definition, Plan, Registration
from tailrace.topologies.steps import BEGINNING


def judged_by(machine: Machine, definition: str) -> Machine:
    """The machine under this definition alone. Raises InvalidInput for what is no name, NotFound for what nobody has set."""
    plan = machine.head.plan
    registered = Registration(definition="", counters=plan.registered.counters)
    seen = machine.view()
    seen.say(msgspec.structs.replace(plan, definitions=_only(plan, definition), registered=registered))
    ends = {position: up_at(seen, since) for position, since in plan.ongoing.items()}
    seen.say(seen.head.plan.with_ends(ends))
    return seen


def same_words(machine: Machine, seen: Machine, a: int, b: int) -> bool:
    """Whether in [a, b) every state has the same category under both, so that the machine's rows hold for both."""
    (one, first), (other, second) = machine.maps(), seen.maps()
    starts = np.unique(np.concatenate([np.array([a], np.int64), one.between(a, b), other.between(a, b)]))
    same = np.array_equal(first[one.at(starts)], second[other.at(starts)])
    return same and machine.head.plan.reasons == seen.head.plan.reasons


def _only(plan: Plan, text: str) -> tuple[Definition, ...]:
    """The definitions that are in force, by time, where one alone is asked for."""
    match = re.fullmatch(r"(.+?)(?:@(\d{1,9}))?", text)
    if match is None:
        raise InvalidInput(f"expected a definition as name or name@version, got {text!r}")
    name, version = match[1], int(match[2]) if match[2] else None
    own = [d for d in plan.definitions if d.name == name and version in (None, d.version)]
    if own:
        latest = max(own, key=lambda d: (d.version, d.t, d.position))
        return (msgspec.structs.replace(latest, valid_from=BEGINNING, default=True),)
    named = any(d.name == name for d in plan.definitions)
    if named or name not in BUILT_IN or version not in (None, VERSION):
        raise NotFound(f"expected a definition that somebody set, got {text!r}; known are: {', '.join(known(plan))}")
    policy = BUILT_IN[name]
    words = [(BEGINNING, {}), *((valid_from, own.state_map) for valid_from, _, _, own in plan.in_use())]
    return tuple(
        Definition(start, VERSION, start, 0, name, True, msgspec.structs.replace(policy, state_map=state_map))
        for start, state_map in words
    )


def known(plan: Plan) -> list[str]:
    """name@version of every definition that can be asked for."""
    own = sorted({(d.name, d.version) for d in plan.definitions})
    hidden = {name for name, _ in own}
    return [f"{name}@{VERSION}" for name in BUILT_IN if name not in hidden] + [f"{n}@{v}" for n, v in own]
