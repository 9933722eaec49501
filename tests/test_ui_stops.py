"""Stops in a real browser: what they cost as a chart, reasons from big buttons, joining, and another person who was faster."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browsing import PHONE, chromium, looking, picture, wide
from seeing import rest
from ui_plant import MACHINES, Live, shown


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with shown(tmp_path_factory.mktemp("stops")) as live:
        yield live


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def neighbours(live: Live) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two stops of a machine that follow each other, are over, and were never edited; the earlier one first."""
    for machine in MACHINES:
        found = rest(live.url, f"stops?machine={machine}&limit=20")["items"]
        for late, early in pairwise(found):
            if late["end"] and late["revision"] == early["revision"] == 1:
                return early, late
    raise AssertionError("expected two neighbours that nobody edited, got none")


def ask(page: Page, stop: dict[str, Any]) -> None:
    """Opens the sheet of a stop."""
    page.locator(f'[data-stop="{stop["id"]}"] button').click()
    expect(page.get_by_role("dialog")).to_contain_text(f"Why was {stop['machine']} down?")


@pytest.mark.parametrize(("size", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_what_stops_cost_is_a_chart_with_its_means_beside_it(
    browser: Browser, live: Live, size: str, scheme: str
) -> None:
    more: dict[str, Any] = {"viewport": PHONE} if size == "phone" else {}
    with looking(browser, f"{live.url}stops", color_scheme=scheme, **more) as page:
        chart = page.locator(".pareto-chart svg")
        expect(chart).to_be_visible()
        expect(chart).to_contain_text("together, %")
        means = page.locator(".means")
        for words in ("MTBF", "MTTR", "failures", "÷"):
            expect(means).to_contain_text(words)
        expect(page.locator(".pareto")).to_contain_text("min")
        assert wide(page) <= 0
        picture(page, f"stops-{size}-{scheme}", whole=True)
        page.get_by_role("button", name="By big loss").click()
        expect(page.locator(".pareto")).to_contain_text("Reduced speed")
        expect(chart).to_contain_text("Reduced speed" if size == "desk" else "Reduced")
        assert wide(page) <= 0
        picture(page, f"losses-{size}-{scheme}", whole=True)


def test_a_reason_is_chosen_with_a_thumb(browser: Browser, live: Live) -> None:
    stop, _ = neighbours(live)
    with looking(browser, f"{live.url}machine/{stop['machine']}", viewport=PHONE) as page:
        ask(page, stop)
        group = page.get_by_role("button", name="Setup ›")
        assert group.evaluate("each => getComputedStyle(each).minHeight") == "48px"
        assert wide(page) <= 0
        picture(page, "sheet-phone-groups")
        group.click()
        page.get_by_role("button", name="‹ Setup").click()
        group.click()
        page.get_by_role("button", name="Changeover").click()
        expect(page.get_by_label("Why, in your words")).to_have_value("Changeover")
        picture(page, "sheet-phone-reasons")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        row = page.locator(f'[data-stop="{stop["id"]}"]')
        expect(row).to_contain_text("Changeover")
        expect(row).to_contain_text("Setup")


def test_a_stop_is_joined_with_its_neighbour(browser: Browser, live: Live) -> None:
    early, late = neighbours(live)
    with looking(browser, f"{live.url}machine/{late['machine']}") as page:
        ask(page, late)
        picture(page, "sheet-desk")
        page.get_by_role("button", name="Join with the stop before").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator(f'[data-stop="{late["id"]}"]')).to_have_count(0)
    items = rest(live.url, f"stops?machine={late['machine']}&limit=20")["items"]
    (joined,) = [each for each in items if each["id"] == early["id"]]
    assert (joined["start"], joined["end"]) == (early["start"], late["end"])
    assert joined["duration_s"] == pytest.approx(early["duration_s"] + late["duration_s"])


def test_a_stop_that_another_person_joined_meanwhile_shows_both_versions(browser: Browser, live: Live) -> None:
    early, late = neighbours(live)
    with looking(browser, f"{live.url}machine/{late['machine']}") as page:
        ask(page, late)
        page.get_by_label("Why, in your words").fill("Belt slipped")
        theirs = {"stops": [late["id"]], "by": "Björn", "expected_revision": 1}
        rest(live.url, f"stops/{early['id']}/merge", theirs)
        page.get_by_role("button", name="Save").click()
        versions = page.locator(".versions")
        expect(versions).to_contain_text("Stands now")
        expect(versions).to_contain_text("Belt slipped")
        picture(page, "conflict-desk")
        page.get_by_role("button", name="Write mine over it").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
    items = rest(live.url, f"stops?machine={late['machine']}&limit=20")["items"]
    (joined,) = [each for each in items if each["id"] == early["id"]]
    assert (joined["reason"], joined["end"]) == ("Belt slipped", late["end"])
