"""Windows of a question, one after the other."""

from __future__ import annotations


def lengths(start: int, end: int, every: int | None) -> list[tuple[int, int]]:
    """[start, end) cut into lengths of `every` ns, the last one maybe shorter; None: not cut."""
    return [(at, min(at + every, end)) for at in range(start, end, every)] if every else [(start, end)]
