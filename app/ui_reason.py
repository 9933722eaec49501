"""The dialog in which a person says what a stop was, splits it, or takes its last edit back; both versions after a conflict.

Rules: an edit names the revision that was on the screen; nothing is written over without being seen. What was typed stays until
it is saved or let go.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from markupsafe import Markup
from nicegui import ui

from tailrace.app.edits import EditConflict, Editing, assign_reason, split_stop, undo_edit
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_page import markup
from tailrace.app.ui_stop_list import WORDS, said
from tailrace.app.ui_text import html, instant, length
from tailrace.projections import queries, stop_queries
from tailrace.projections.pareto import losses
from tailrace.schemas.answer import ReasonEdit, SplitEdit, StopItem, UndoEdit
from tailrace.schemas.errors import TailraceError
from tailrace.schemas.instant import DAY, MINUTE, SECOND, format_instant

MEMORY = 30 * DAY
"""How far back reasons are looked for to be offered again."""


class ReasonDialog:
    """One a page. saved: called when a stop has changed."""

    def __init__(self, desk: Desk, saved: Callable[[], Awaitable[None]]) -> None:
        self._desk, self._saved = desk, saved
        self._stop: StopItem | None = None
        with ui.dialog() as self._dialog, ui.card().classes("dialog"):
            self._head = markup(Markup(""))
            with ui.column().classes("w-full items-stretch").style("gap: 12px; align-items: stretch") as self._form:
                self._category = ui.radio(WORDS, value="unplanned").props('inline dense aria-label="What it was"')
                self._reason = (
                    ui.input("Why").props("outlined dense autofocus maxlength=200").on("keydown.enter", self._save)
                )
                self._by = ui.input("Your name").props("outlined dense maxlength=100")
                with ui.row().style("align-items: center; gap: 8px"):
                    self._after = ui.number("Split after, min", min=0).props("outlined dense inputmode=decimal")
                    ui.button("Split", on_click=self._split).props("flat no-caps")
                    self._back = ui.button("Undo last edit", on_click=self._undo).props("flat no-caps")
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
        known = await self._desk.ask(losses, now, now - MEMORY, now)
        self._reason.set_autocomplete(sorted({loss.reason for loss in known if loss.reason}))
        self._about(stop)
        self._category.value = stop.category if stop.category in WORDS else "unplanned"
        self._reason.value = stop.reason
        made = await self._desk.ask(stop_queries.made, stop_id)
        self._after.value = None
        self._back.set_visibility(made is not None and bool(made.edit))
        self._by.value = await ui.run_javascript("return tailrace.name()") or ""
        self._dialog.open()

    def _about(self, stop: StopItem) -> None:
        self._stop = stop
        now = self._desk.now()
        zone, start = self._desk.zone, instant(stop.start)
        until = zone.short(instant(stop.end), now) if stop.end else "now"
        holds = "" if stop.end else " · what you say holds until it is over"
        self._head.content = html(
            '<h2 style="font-size:18px">Why was {} down?</h2><p class="muted num">{} to {} {} · {}{}</p>',
            stop.machine, zone.short(start, now), until, zone.name, length(round(stop.duration_s * SECOND)), holds,
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
            self._conflict(conflict, edit)
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
        await self._change(stop, lambda editing: split_stop(editing, stop.id, edit), "Split in two.")

    async def _undo(self) -> None:
        stop = self._stop
        if stop is None:
            return
        edit = UndoEdit(by=self._who(), expected_revision=stop.revision)
        await self._change(
            stop, lambda editing: undo_edit(editing, stop.id, edit), "Undone. What held before holds again."
        )

    async def _change(self, stop: StopItem, act: Callable[[Editing], Awaitable[object]], done: str) -> None:
        served = self._desk.served
        try:
            await act(Editing(served.directory, served.log, served.clock))
        except EditConflict as conflict:
            self._about(conflict.current)
            now = said(conflict.current.category, conflict.current.reason, conflict.current.by)
            self._trouble.content = html(
                '<p class="trouble">Somebody else was faster, nothing is changed. It is now: {}</p>', now
            )
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

    def _conflict(self, conflict: EditConflict, mine: ReasonEdit) -> None:
        """Both versions; saving again writes over the one that is shown."""
        stands = conflict.current
        self._stop = stands
        self._form.set_visibility(False)
        self._trouble.content = html(
            '<p class="trouble" style="margin-bottom:10px">Somebody else was faster. Nothing of yours is saved yet.</p>'
            '<div class="versions"><div><h3>Stands now</h3>{}</div><div><h3>You wrote</h3>{}</div></div>',
            said(stands.category, stands.reason, stands.by), said(mine.category, mine.reason, mine.by),
        )  # fmt: skip
        self._cancel.text, self._do.text = "Keep what stands", "Write mine over it"
