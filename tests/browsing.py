"""A real browser: Debian's Chromium, driven by Playwright. What a page logs as an error, or asks for elsewhere, fails a test."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from components import missing

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
HERE = re.compile(r"(https?|ws)://127\.0\.0\.1(:\d+)?/|data:|blob:http://127\.0\.0\.1")
SLOW = "preloaded using link"
"""What Chromium warns of when a page took seconds to start; nothing is wrong with the page."""

DESK = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
WAIT_MS = 60_000
"""How long a page may take for anything; only a broken one takes so long."""

SETTLED_MS = 400
"""What a picture waits, so that nothing fades in or out on it."""

expect.set_options(timeout=WAIT_MS)

PICTURES = os.environ.get("TAILRACE_PICTURES", "")
"""A folder into which the tests put pictures of what they see; none when empty."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, until the block ends."""
    if not CHROMIUM.exists():
        missing("the program 'chromium'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def looking(browser: Browser, url: str, *, allowed: str = "", **more: Any) -> Iterator[Page]:
    """A page of a fresh visitor. allowed: errors that this page is meant to log."""
    wrong: list[str] = []

    def logged(message: ConsoleMessage) -> None:
        expected = SLOW in message.text or (allowed and allowed in message.text)
        if message.type in ("error", "warning") and not expected:
            wrong.append(f"{message.type}: {message.text}")

    def asked(request: Request) -> None:
        if not HERE.match(request.url):
            wrong.append(f"request to {request.url}")

    context = browser.new_context(viewport=more.pop("viewport", DESK), locale="en-GB", reduced_motion="reduce", **more)
    try:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", logged)
        page.on("pageerror", lambda error: wrong.append(f"thrown: {error}"))
        page.on("request", asked)
        page.goto(url)
        page.wait_for_selector("#main")
        yield page
        assert not wrong, "\n".join(wrong)
    finally:
        context.close()


def wide(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def picture(page: Page, name: str, *, whole: bool = False) -> None:
    """Keeps what is seen, where pictures are wanted."""
    if PICTURES:
        page.mouse.move(0, 0)
        page.wait_for_timeout(SETTLED_MS)
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=whole)
