"""OEE on the pages, in a real browser: definitions, lines and plant, side by side, and what a figure is made of."""

from __future__ import annotations

import re
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, expect

import seeing
from browsing import PHONE, chromium, looking, picture, wide
from commands import tailrace_json
from seeing import RATIOS, figures_shown, tile
from tailrace.app.ui_text import Zone, percent
from ui_plant import INTO_SHIFT, MACHINES, Live, apart, shown


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def live(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with shown(tmp_path_factory.mktemp("plant")) as plant:
        yield plant
        assert "Traceback" not in plant.up.said()


def rest(live: Live, **query: str) -> dict[str, Any]:
    """The one item of `GET /api/v1/oee`."""
    (item,) = seeing.rest(live.url, f"oee?{urllib.parse.urlencode(query)}")["items"]
    found: dict[str, Any] = item
    return found


def said(live: Live, *arguments: str) -> dict[str, Any]:
    """What `tailrace oee` says."""
    found: dict[str, Any] = apart(tailrace_json, "oee", "--dir", live.directory, *arguments)
    return found


def test_all_tiles_are_judged_by_the_definition_that_is_chosen(browser: Browser, live: Live) -> None:
    with looking(browser, live.url) as page:
        expect(page.get_by_role("button", name="own", exact=True)).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="semi@1").click()
        page.wait_for_url("**/?by=semi%401")
        expect(page.get_by_role("button", name="semi@1")).to_have_attribute("aria-pressed", "true")
        for machine in ("MCH003", "MCH008"):
            expect(tile(page, machine).locator(".big.figure")).to_be_visible()
            start, end, ratios = figures_shown(tile(page, machine))
            found = said(live, "--machine", machine, "--from", start, "--to", end, "--definition", "semi")
            assert ratios == {name: percent(found[name]) for name in RATIOS}
        tile(page, "MCH008").click()
        page.wait_for_url("**/machine/MCH008?by=semi%401")
        expect(page.locator("[data-definition='semi@1']")).to_contain_text("by semi@1")
        page.get_by_role("button", name="vorne@1").click()
        page.wait_for_url("**/machine/MCH008?by=vorne%401")
        page.reload()
        expect(page.locator("[data-definition='vorne@1']")).to_contain_text("by vorne@1")


def test_a_definition_that_nobody_set_is_as_if_none_was_chosen(browser: Browser, live: Live) -> None:
    with looking(browser, f"{live.url}?by=nobody%407") as page:
        expect(page.get_by_role("button", name="own", exact=True)).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".big.figure")).to_have_count(len(MACHINES))


@pytest.mark.parametrize("definition", ["", "vorne@1"])
def test_lines_and_plant_are_what_command_and_rest_say(browser: Browser, live: Live, definition: str) -> None:
    judged, by = ({"definition": definition}, f"?by={definition}") if definition else ({}, "")
    with looking(browser, live.url + by) as page:
        expect(page.locator("[data-group]")).to_have_count(3)
        for line in ("", "Line 1", "Line 2"):
            row = page.locator(f'[data-group="{line}"]')
            start, end, oee, known, words = row.evaluate(
                "each => [each.dataset.from, each.dataset.to, each.querySelector('[data-figure=oee]').textContent, "
                "each.querySelector('[data-figure=completeness]').textContent, each.textContent]"
            )
            window = {"from": start, "to": end, **judged}
            found = rest(live, **window, **({"line": line} if line else {"site": "Plant Nord"}))
            assert (bare(oee), bare(known)) == (percent(found["oee"]), percent(min(found["completeness"], 0.999)))
            group = ("--line", line) if line else ("--machines", ",".join(MACHINES))
            asked = [part for name, value in window.items() for part in (f"--{name}", value)]
            assert said(live, *group, *asked)["oee"] == found["oee"]
            assert (found["bottleneck"] in words) if line else ("8 machines, by planned time" in words)
        picture(page, f"floor-by-{definition or 'own'}")


def lost(live: Live, stop: dict[str, Any]) -> bool:
    """Whether all of a stop is lost time: none of it lies in a break."""
    found = rest(live, machine=stop["machine"], **{"from": stop["start"], "to": stop["end"]})
    return bool(found["breakdown"] + found["microstop"] == found["calendar"])


def bare(text: str) -> str:
    return re.sub(r"[\s%]", "", text)


def test_definitions_side_by_side_are_those_of_oee_compare(browser: Browser, live: Live) -> None:
    with looking(browser, f"{live.url}machine/MCH006") as page:
        expect(page.locator("[data-minutes=valuable]")).to_be_visible()
        page.get_by_role("button", name="Compare definitions").click()
        expect(page.locator("[data-compared]")).to_have_count(3)
        start, end, rows = page.locator(".compared").evaluate(
            "each => [each.dataset.from, each.dataset.to, Object.fromEntries([...each.querySelectorAll('[data-compared]')]"
            ".map(row => [row.dataset.compared, [row.querySelector('[data-figure=oee]').textContent, "
            "[...row.querySelectorAll('[data-part]')].map(part => Number(part.dataset.seconds)), row.textContent]]))]"
        )
        asked = [part for name in ("iso", "vorne", "semi") for part in ("--definition", name)]
        window = ("--machine", "MCH006", "--from", start, "--to", end)
        found = apart(tailrace_json, "oee", "compare", "--dir", live.directory, *asked, *window)["definitions"]
        assert [each["definition"] for each in found] == [[name] for name in rows]
        for each, (oee, parts, words) in zip(found, rows.values(), strict=True):
            assert bare(oee) == percent(each["oee"])
            assert sum(parts) == pytest.approx(each["calendar"], abs=1e-3)
            assert "stop" in words
        assert "all of the time is judged" in rows["semi@1"][2]
        picture(page, "compare", whole=True)
        page.set_viewport_size({"width": 390, "height": 844})
        assert wide(page) <= 0
        picture(page, "phone-compare", whole=True)


@pytest.mark.parametrize("definition", ["", "vorne@1"])
def test_a_figure_is_taken_apart_down_to_its_raw_events(browser: Browser, live: Live, definition: str) -> None:
    by = f"?by={definition}" if definition else ""
    with looking(browser, f"{live.url}machine/MCH006{by}", viewport=PHONE) as page:
        expect(page.locator(f"[data-definition='{definition}']")).to_be_visible()
        expect(page.locator("[data-minutes=valuable]")).to_be_visible()
        page.locator(".fall button", has_text="Operating time").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Operating time of MCH006")
        stretches = float(dialog.locator("[data-stretches]").get_attribute("data-stretches") or "nan")
        assert stretches == pytest.approx(
            float(dialog.locator("[data-explained]").get_attribute("data-explained") or "nan")
        )
        dialog.get_by_role("button", name="Events").first.click()
        expect(dialog).to_contain_text("Events of MCH006")
        row = dialog.locator("[data-position]").first
        for words in ("line", "session", "seq", "position", "good"):
            expect(row).to_contain_text(words)
        assert wide(page) <= 0
        picture(page, f"phone-events-{definition or 'own'}")
        dialog.get_by_role("button", name="Back to the stretches").click()
        expect(dialog).to_contain_text("Operating time of MCH006")
        picture(page, f"phone-explain-{definition or 'own'}")
        dialog.get_by_role("button", name="Close").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.locator(".kpi button", has_text="Availability").click()
        explained = page.get_by_role("dialog").locator("[data-explained] b")
        expect(explained).to_be_visible()
        assert (
            abs(
                float(bare(explained.inner_text()))
                - float(bare(page.locator("[data-figure=availability]").inner_text()))
            )
            < 1
        )


def test_what_was_known_before_a_reason_stands_beside_what_is_known_now(browser: Browser, live: Live) -> None:
    before = time.time_ns()
    now = before / 1e9
    window = f"from={now - INTO_SHIFT / 1e9 + 300:.0f}&to={now - 60:.0f}"
    stops = [each for name in MACHINES for each in seeing.rest(live.url, f"stops?machine={name}&{window}")["items"]]
    open_ones = [each for each in stops if each["end"] and not each["reason"] and each["duration_s"] > 60]
    stop = next(each for each in open_ones if lost(live, each))
    edit = {"category": "planned_stop", "reason": "Oiling", "by": "Ann", "expected_revision": stop["revision"]}
    seeing.rest(live.url, f"stops/{stop['id']}/reason", edit)
    zone = Zone(ZoneInfo("Europe/Berlin"), "Europe/Berlin")
    with looking(browser, f"{live.url}machine/{stop['machine']}") as page:
        expect(page.locator("[data-minutes=valuable]")).to_be_visible()
        page.get_by_label("Known at").fill(f"{zone.local(before):%Y-%m-%dT%H:%M:%S}")
        page.get_by_role("button", name="Compare with now").click()
        moved = page.locator("[data-moved]", has_text="Oiling")
        expect(moved).to_contain_text("by Ann")
        expect(moved).to_contain_text("→ Planned stops")
        expect(page.locator("[data-restated]", has_text="Oiling").first).to_contain_text("by Ann")
        table = page.locator(".then")
        start, end, known = (table.get_attribute(f"data-{name}") or "" for name in ("from", "to", "known"))
        times = [part for each in known.split() for part in ("--known-at", each)]
        asked = ("--machine", stop["machine"], "--from", start, "--to", end, *times)
        found = apart(tailrace_json, "oee", "diff", "--dir", live.directory, *asked)
        shown_moves = [float(each.get_attribute("data-moved") or "nan") for each in page.locator("[data-moved]").all()]
        assert shown_moves == [each["seconds"] for each in found["moved"]]
        cells = page.locator("[data-ledger=availability] td").all_inner_texts()
        assert [bare(each) for each in cells[1:]] == [
            percent(found[when]["availability"]) for when in ("before", "after")
        ]
        picture(page, "ledger", whole=True)
        page.set_viewport_size({"width": 390, "height": 844})
        assert wide(page) <= 0
        page.get_by_label("Known at").fill("1999-01-01T00:00:00")
        page.get_by_role("button", name="Compare with now").click()
        expect(page.get_by_text("It cannot be said")).to_be_visible()


@pytest.mark.parametrize("path", ["", "machine/MCH006"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_it_is_no_wider_than_the_screen(browser: Browser, live: Live, path: str, scheme: Any) -> None:
    with looking(browser, live.url + path, viewport=PHONE, color_scheme=scheme) as page:
        expect(page.locator(".big.figure").first).to_be_visible()
        if not path:
            expect(page.locator("[data-group]")).to_have_count(3)
        assert wide(page) <= 0
        picture(page, f"phone-{scheme}-{path.partition('/')[0] or 'floor'}", whole=True)
