"""How far the fold is with a backlog, for whoever waits for it.

Rules: there is a backlog from the moment on at which the fold is more than BEHIND records behind, until it has reached the end of
the log. The share never goes back, although the log grows meanwhile.
"""

from __future__ import annotations

BEHIND = 200
"""Records; a fold that keeps up with live sources stays below."""


class CatchingUp:
    """`share` is how much of the backlog is folded, 0..1, or None when there is none; `over`: the end was reached since."""

    def __init__(self) -> None:
        self.share: float | None = None
        self.over = False
        self._began = 0

    def look(self, reached: int, end: int) -> None:
        """The fold stands at a position of a log that ends at another."""
        if self.share is None:
            if end - reached <= BEHIND:
                return
            self._began, self.share, self.over = reached, 0.0, False
        self.share = max(self.share, (reached - self._began) / max(end - self._began, 1))

    def done(self) -> None:
        """The fold has reached the end."""
        self.share, self.over = None, True
