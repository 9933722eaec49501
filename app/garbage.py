"""How often Python looks for cycles: rarely where a process makes many records and hardly any cycle.

Rules: what a process has when it is ready stays, so it is never looked at again. A fetched message is a dozen objects that go
when their counts say so; a look every 700 of them finds nothing, and a look at all that stands holds up everybody.
"""

from __future__ import annotations

import gc

YOUNG_MAX = 50_000
"""Objects more than went away, since the last look at the young ones."""


def settle() -> None:
    """To be called once, when what lasts has been made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, *gc.get_threshold()[1:])
