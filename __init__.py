"""Tailrace: one log in, everything else a function of it.

`open` and `diff` (app/analyst.py) are imported when they are asked for, since commands and workers import the package too.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailrace.app.analyst import diff, open

__version__ = "0.1.0"
__all__ = ["__version__", "diff", "open"]


def __getattr__(name: str) -> Any:
    if name not in ("diff", "open"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tailrace.app import analyst  # noqa: PLC0415

    return getattr(analyst, name)
