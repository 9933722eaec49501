"""Big buttons from which a person chooses why a machine was down: the groups of the tree first, then what is in one.

Rules: a button is large enough for a thumb; what is chosen is marked; a group can be left again. Other words stay possible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup
from nicegui import events

from tailrace.app.ui_glyphs import glyph, look
from tailrace.app.ui_page import markup
from tailrace.app.ui_script import ACT
from tailrace.app.ui_text import html, joined
from tailrace.schemas.reason import StopReason


class ReasonChoice:
    """The buttons in a dialog. chosen: called with the reason that was clicked."""

    def __init__(self, chosen: Callable[[StopReason], None]) -> None:
        self._chosen = chosen
        self._tree: Sequence[StopReason] = ()
        self._path: list[str] = []
        self._marked = ""
        self._shown = markup(Markup("")).classes("reasons").on("click", self._act, js_handler=ACT)

    def show(self, tree: Sequence[StopReason], marked: str) -> None:
        """These reasons; the group of the marked one is open."""
        self._tree, self._marked = tree, marked
        self._path = next((list(each.path) for each in tree if each.reason == marked), [])
        self._draw()

    def _act(self, event: events.GenericEventArguments) -> None:
        what, _, name = str(event.args).partition("=")
        if what == "back":
            self._path.pop()
        elif what == "group":
            self._path.append(name)
        else:
            self._marked = name
            self._chosen(next(each for each in self._tree if each.reason == name))
        self._draw()

    def _draw(self) -> None:
        depth = len(self._path)
        here = [each for each in self._tree if each.path[:depth] == self._path]
        groups = list(dict.fromkeys(each.path[depth] for each in here if len(each.path) > depth))
        leaves = [each for each in here if len(each.path) == depth]
        back = [_button("back=", html("‹ {}", self._path[-1]), "back")] if depth else []
        made = [_button(f"group={name}", _group(name, here, depth), "group") for name in groups]
        made += [_button(f"reason={each.reason}", _leaf(each), "", each.reason == self._marked) for each in leaves]
        self._shown.content = joined([*back, *made])


def _button(act: str, text: Markup, kind: str, pressed: bool = False) -> Markup:
    return html(
        '<button class="plain {}" type="button" data-act="{}" aria-pressed="{}">{}</button>',
        kind, act, "true" if pressed else "false", text,
    )  # fmt: skip


def _group(name: str, here: Sequence[StopReason], depth: int) -> Markup:
    first = next(each for each in here if len(each.path) > depth and each.path[depth] == name)
    return html("{} {} <span>›</span>", _shape(first), name)


def _leaf(each: StopReason) -> Markup:
    return html("{} {}", _shape(each), each.reason)


def _shape(each: StopReason) -> Markup:
    seen = look(each.category)
    return html('<span class="is-{}">{}</span>', seen.name, glyph(seen.shape))
