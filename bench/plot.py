"""Bars of what a bench printed, as an SVG: its lines of one unit.

bench/peers.py | bench/plot.py "M readings per CPU second" docs/images/bench-peers.svg
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from markupsafe import escape

from run import Figure, parsed

WIDTH, LABEL, ROW, BAR = 900, 330, 30, 18
STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#333}rect{fill:#8aa5b8}.ours{fill:#1f6f8b}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}}"
)


def svg(figures: Sequence[Figure], unit: str) -> str:
    """The first figure is ours."""
    values = [float(each.value.replace(",", "")) for each in figures]
    scale = (WIDTH - LABEL - 80) / max(values)
    parts = []
    for i, (each, value) in enumerate(zip(figures, values, strict=True)):
        y, width = 34 + i * ROW, max(value * scale, 1)
        name = escape(each.name.partition(": ")[2])
        parts.append(f'<text x="{LABEL - 10}" y="{y + 14}" text-anchor="end">{name}</text>')
        parts.append(
            f'<rect class="{"" if i else "ours"}" x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>'
        )
        parts.append(f'<text x="{LABEL + width + 8:.1f}" y="{y + 14}">{escape(each.value)}</text>')
    height = 34 + len(values) * ROW
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n<style>{STYLE}</style>\n'
        f'<text x="{LABEL}" y="18">{escape(unit)}, more is better</text>\n{body}\n</svg>\n'
    )


def main(unit: str, path: Path) -> int:
    figures = [each for line in sys.stdin if (each := parsed(line)) and each.unit == unit]
    if not figures:
        print(f"plot: expected lines of {unit!r} on standard input, got none", file=sys.stderr)
        return 1
    path.write_text(svg(figures, unit))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
