"""The pages by address, and the application that holds them beside the REST API."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from nicegui import app as pages
from nicegui import ui
from nicegui.client import Client
from nicegui.page import page

from tailrace.app.api import Served, api
from tailrace.app.settings import Site
from tailrace.app.ui_anomalies import AnomaliesPage
from tailrace.app.ui_assets import AssetsPage
from tailrace.app.ui_desk import Desk
from tailrace.app.ui_floor import Floor
from tailrace.app.ui_glyphs import FAVICON
from tailrace.app.ui_log import LogPage
from tailrace.app.ui_machine import MachinePage
from tailrace.app.ui_page import PAGES, dress, empty, frame, markup
from tailrace.app.ui_sources import SourcesPage
from tailrace.app.ui_stops import StopsPage
from tailrace.schemas.errors import TailraceError

RECONNECT_S = 20.0
"""How long a page whose connection is lost is kept: a phone that was locked for a moment goes on where it was."""

_said = logging.getLogger("tailrace")


def application(served: Served, site: Site) -> Any:
    """The ASGI application; one a process, since NiceGUI's pages are the process's."""
    desk = Desk(served, site)
    root = FastAPI(title="Tailrace", openapi_url=None)
    rest: Any = api(served)
    root.mount("/api", rest)
    dress()
    _pages(desk)
    _problems(desk)
    pages.config.socket_io_js_transports = ["websocket"]
    ui.run_with(
        root, title="Tailrace", favicon=FAVICON, dark=None, language="en-US", tailwind=False, show_welcome_message=False,
        reconnect_timeout=RECONNECT_S, binding_refresh_interval=None,
    )  # fmt: skip
    return root


def _pages(desk: Desk) -> None:
    @ui.page("/")
    async def floor(by: str = "") -> None:
        await Floor(desk, by).build()

    @ui.page("/machine/{name:path}")
    async def machine(name: str, by: str = "") -> None:
        await MachinePage(desk, name, by).build()

    @ui.page("/signals")
    async def signals() -> None:
        await AssetsPage(desk).build()

    @ui.page("/stops")
    async def stops() -> None:
        await StopsPage(desk).build()

    @ui.page("/anomalies")
    async def anomalies() -> None:
        await AnomaliesPage(desk).build()

    @ui.page("/sources")
    async def sources() -> None:
        await SourcesPage(desk).build()

    @ui.page("/log")
    async def log() -> None:
        await LogPage(desk).build()


def _problems(desk: Desk) -> None:
    """What a person sees where there is no page, or where it could not be made: words, never a stack trace."""
    others = [(name, path) for name, path in PAGES.items()]

    @pages.exception_handler(404)
    async def nothing(request: Request, error: Exception) -> Response:
        with Client(page(""), request=request) as client, frame(desk, "Not found"):
            words = f"Expected one of the pages below, got {request.url.path}."
            markup(empty("There is no such page", words, others)).classes("card")
        return client.build_response(request, 404)

    @pages.on_page_exception
    def failed(error: Exception) -> None:
        if not isinstance(error, TailraceError):
            _said.error("page: %s", error, exc_info=error)
        with frame(desk, "Not now"):
            words = (
                str(error)
                if isinstance(error, TailraceError)
                else "The log of `tailrace up` says why. Nothing is lost."
            )
            markup(empty("This page cannot be shown now", words, others)).classes("card")
