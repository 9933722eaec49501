"""What a test reads from the page and from REST, so that it can be compared."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from playwright.sync_api import Locator, Page

RATIOS = ("oee", "availability", "performance", "quality")
_READ = """part => { const window = part.querySelector("[data-from]");
const text = name => part.querySelector(`[data-figure=${name}]`)?.textContent ?? "";
const ratios = ["oee", "availability", "performance", "quality"].map(text);
return [window.dataset.from, window.dataset.to, ...ratios] }"""


def tile(page: Page, machine: str) -> Locator:
    """A machine's tile on the floor."""
    return page.locator(f'a.tile:has([data-machine="{machine}"])')


def figures_shown(part: Locator) -> tuple[str, str, dict[str, str]]:
    """The window of a part of the page and the ratios in it, in per cent, read at one moment."""
    start, end, *texts = part.evaluate(_READ)
    return start, end, {name: "".join(text.split()).rstrip("%") for name, text in zip(RATIOS, texts, strict=True)}


def rest(url: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer of `/api/v1/…` of the page at `url`."""
    request = urllib.request.Request(
        f"{url}api/v1/{path}",
        data=json.dumps(body).encode() if body else None,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=90) as answer:
        found = json.load(answer)
    assert isinstance(found, dict)
    return found
