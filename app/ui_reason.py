"""The dialog in which a person says what a stop was, splits it, joins it with a neighbour, or takes its last edit back.

Rules: an edit names the revision that was on the screen; after a conflict both versions are shown, and nothing is written over
without being seen. What was typed stays until it is saved or let go.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from markupsafe import Markup
from nicegui import ui

from tailrace.app.edits import EditConflict, Editing, assign_reason, merge_stops, split_stop, undo_edit
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_page import markup
from tailrace.app.ui_reason_choice import ReasonChoice
from tailrace.app.ui_stop_list import WORDS, said
from tailrace.app.ui_text import html, instant, length
from tailrace.projections import queries, stop_queries
from tailrace.projections.pareto import reasons_since
from tailrace.projections.reasons import offered
from tailrace.schemas.answer import MergeEdit, ReasonEdit, SplitEdit, StopEdit, StopItem, UndoEdit
from tailrace.schemas.errors import NotFound, TailraceError
from tailrace.schemas.instant import DAY, MINUTE, SECOND, format_instant
from tailrace.schemas.reason import StopReason

MEMORY = 30 * DAY
"""How far back reasons are looked for to be offered again."""


class ReasonDialog:
    """One a page. saved: called when a stop has changed."""

    def __init__(self, desk: Desk, saved: Callable[[], Awaitable[None]]) -> None:
        self._desk, self._saved = desk, saved
        self._stop: StopItem | None = None
        self._beside: tuple[StopItem | None, StopItem | None] = (None, None)
        with ui.dialog() as self._dialog, ui.card().classes("dialog"):
            self._head = markup(Markup(""))
            with ui.column().classes("w-full items-stretch").style("gap: 12px; align-items: stretch") as self._form:
                self._choice = ReasonChoice(self._choose)
                self._category = ui.radio(WORDS, value="unplanned").props('inline dense aria-label="What it was"')
                self._reason = (
                    ui.input("Why, in your words").props("outlined dense maxlength=200").on("keydown.enter", self._save)
                )
                self._by = ui.input("Your name").props("outlined dense maxlength=100")
                with ui.row().style("align-items: center; gap: 8px"):
                    self._after = ui.number("Split after, min", min=0).props("outlined dense inputmode=decimal")
                    ui.button("Split", on_click=self._split).props("flat no-caps")
                    self._back = ui.button("Undo last edit", on_click=self._undo).props("flat no-caps")
                with ui.row().style("align-items: center; gap: 8px"):
                    self._joins = [ui.button("").props("flat no-caps") for _ in range(2)]
                    self._joins[0].on_click(lambda: self._merge(0))
                    self._joins[1].on_click(lambda: self._merge(1))
            self._trouble = markup(Markup("")).props('role="alert"')
            with ui.row().style("justify-content: flex-end; gap: 8px"):
                self._cancel = ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps color=grey-7")
                self._do = ui.button("Save", on_click=self._save).props("unelevated no-caps")

    async def open(self, stop_id: str) -> None:
        """Asks about a stop."""
        now = self._desk.now()
        stop = await self._desk.ask(queries.stop_of, stop_id, now)
        if stop is None:
            ui.notify("This stop is gone: late facts have changed what happened then.")
            return
        self._reason.set_autocomplete(await self._desk.ask(reasons_since, now - MEMORY))
        self._choice.show(await self._desk.ask(offered, stop.machine), stop.reason)
        await self._look_beside(stop)
        self._about(stop)
        self._category.value = stop.category if stop.category in WORDS else "unplanned"
        self._reason.value = stop.reason
        made = await self._desk.ask(stop_queries.made, stop_id)
        self._after.value = None
        self._back.set_visibility(made is not None and bool(made.edit))
        self._by.value = await ui.run_javascript("return tailrace.name()") or ""
        self._dialog.open()

    def _choose(self, reason: StopReason) -> None:
        self._category.value, self._reason.value = reason.category, reason.reason

    async def _look_beside(self, stop: StopItem) -> None:
        """The neighbours that the stop can be joined with, each on a button that says when it was."""
        now = self._desk.now()
        self._beside = await self._desk.ask(queries.stops_beside, stop, now)
        for button, found, words in zip(self._joins, self._beside, ("before", "after"), strict=True):
            button.set_visibility(found is not None)
            if found is not None:
                span = self._desk.zone.span(instant(found.start), instant(found.end) if found.end else now, now)
                button.text = f"Join with the stop {words}, {span}"

    def _about(self, stop: StopItem) -> None:
        self._stop = stop
        holds = "" if stop.end else " · what you say holds until it is over"
        self._head.content = html(
            '<h2 style="font-size:18px">Why was {} down?</h2><p class="muted num">{}{}</p>',
            stop.machine, self._span(stop), holds,
        )  # fmt: skip
        self._trouble.content = Markup("")
        self._form.set_visibility(True)
        self._cancel.text, self._do.text = "Cancel", "Save"

    async def _save(self) -> None:
        stop = self._stop
        if stop is None:
            return
        edit = ReasonEdit(
            category=str(self._category.value), reason=(self._reason.value or "").strip(), by=self._who(),
            expected_revision=stop.revision,
        )  # fmt: skip
        self._do.disable()
        try:
            served = self._desk.served
            await assign_reason(served.directory, served.log, stop.id, edit, served.clock)
        except EditConflict as conflict:
            self._conflict(conflict.current, edit)
            return
        except NotFound as error:
            await self._gone(stop, edit, error)
            return
        except TailraceError as error:
            self._trouble.content = html('<p class="trouble">{}</p>', error)
            return
        finally:
            self._do.enable()
        await self._made(stop, "Saved. The figures are worked out anew.")

    async def _split(self) -> None:
        stop = self._stop
        if stop is None:
            return
        if self._after.value is None:
            self._trouble.content = html(
                '<p class="trouble">{}</p>', "After how many minutes? Each part can have its own reason."
            )
            return
        at = instant(stop.start) + round(float(self._after.value) * MINUTE)
        edit = SplitEdit(at=format_instant(at), by=self._who(), expected_revision=stop.revision)
        await self._change(stop, edit, lambda editing: split_stop(editing, stop.id, edit), "Split in two.")

    async def _merge(self, which: int) -> None:
        stop, other = self._stop, self._beside[which]
        if stop is None or other is None:
            return
        edit = MergeEdit(
            stops=[other.id], by=self._who(), expected_revision=stop.revision,
            expected_revisions={other.id: other.revision},
        )  # fmt: skip
        await self._change(
            stop, edit, lambda editing: merge_stops(editing, stop.id, edit), "Joined. What ran in between still ran."
        )

    async def _undo(self) -> None:
        stop = self._stop
        if stop is None:
            return
        edit = UndoEdit(by=self._who(), expected_revision=stop.revision)
        await self._change(
            stop, edit, lambda editing: undo_edit(editing, stop.id, edit), "Undone. What held before holds again."
        )

    async def _change(
        self, stop: StopItem, edit: StopEdit, act: Callable[[Editing], Awaitable[object]], done: str
    ) -> None:
        served = self._desk.served
        try:
            await act(Editing(served.directory, served.log, served.clock))
        except EditConflict as conflict:
            await self._look_beside(conflict.current)
            self._about(conflict.current)
            self._trouble.content = self._versions(conflict.current, edit)
        except NotFound as error:
            await self._gone(stop, edit, error)
        except TailraceError as error:
            self._trouble.content = html('<p class="trouble">{}</p>', error)
        else:
            await self._made(stop, done)

    async def _made(self, stop: StopItem, done: str) -> None:
        """An edit stands: the page shows it."""
        ui.run_javascript(f"tailrace.name({json.dumps(self._who())})")
        self._dialog.close()
        self._desk.figures.touch(stop.machine)
        ui.notify(done, type="positive", position="bottom")
        await self._saved()

    def _who(self) -> str:
        return (self._by.value or "").strip()

    async def _gone(self, stop: StopItem, edit: StopEdit, error: NotFound) -> None:
        """The stop went into another one meanwhile: both versions are shown, of that one."""
        until = instant(stop.end) if stop.end else None
        found = await self._desk.ask(stop_queries.made_in, stop.machine, instant(stop.start), until)
        stands = await self._desk.ask(queries.stop_of, found[0].id, self._desk.now()) if found else None
        if stands is None:
            self._trouble.content = html('<p class="trouble">{}</p>', error)
        elif isinstance(edit, ReasonEdit):
            self._conflict(stands, edit)
        else:
            await self._look_beside(stands)
            self._about(stands)
            self._trouble.content = self._versions(stands, edit)

    def _conflict(self, stands: StopItem, mine: ReasonEdit) -> None:
        """Both versions; saving again writes over the one that is shown."""
        self._about(stands)
        self._form.set_visibility(False)
        self._trouble.content = self._versions(stands, mine)
        self._cancel.text, self._do.text = "Keep what stands", "Write mine over it"

    def _versions(self, stands: StopItem, mine: StopEdit) -> Markup:
        """What stands now beside what was to be done."""
        return html(
            '<p class="trouble" style="margin-bottom:10px">Somebody else was faster. Nothing of yours is saved yet.</p>'
            '<div class="versions"><div><h3>Stands now</h3><p class="num">{}</p>{}</div><div><h3>You wanted</h3>{}</div></div>',
            self._span(stands), said(stands.category, stands.reason, stands.by), self._meant(mine),
        )  # fmt: skip

    def _meant(self, edit: StopEdit) -> Markup:
        if isinstance(edit, ReasonEdit):
            return said(edit.category, edit.reason, edit.by)
        if isinstance(edit, SplitEdit):
            return html("Split at {}", self._desk.zone.short(instant(str(edit.at)), self._desk.now(), exact=True))
        return html("{}", "Join with a neighbour" if isinstance(edit, MergeEdit) else "Undo the last edit")

    def _span(self, stop: StopItem) -> str:
        now, zone = self._desk.now(), self._desk.zone
        until = zone.short(instant(stop.end), now) if stop.end else "now"
        return (
            f"{zone.short(instant(stop.start), now)} to {until} {zone.name} · {length(round(stop.duration_s * SECOND))}"
        )
