"""What `tailrace doctor` says of one thing that it looked at."""

from __future__ import annotations

from typing import Literal

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One look: what was found, and what to do where it needs attention."""

    name: str
    state: Literal["ok", "attention"]
    found: str
    todo: str = ""


def judged(name: str, good: bool, found: str, todo: str) -> Check:
    """A look that needs attention unless it is good."""
    return Check(name, "ok", found) if good else Check(name, "attention", found, todo)
