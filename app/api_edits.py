"""REST: what people say of stops. Each edit is an event, and is answered once the fold has judged it."""

from __future__ import annotations

from litestar import post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from tailrace.app.api_asked import editing, served
from tailrace.app.api_problem import EDITED
from tailrace.app.edits import assign_reason, merge_stops, split_stop, undo_edit
from tailrace.schemas.answer import MergeEdit, Page, ReasonEdit, SplitEdit, StopItem, UndoEdit


@post("/stops/{stop_id:str}/reason", status_code=200, responses=EDITED)
async def give_reason(state: State, stop_id: FromPath[str], data: JSONBody[ReasonEdit]) -> StopItem:
    """Says what a stop was; 409 with both versions when somebody else was faster."""
    here = served(state)
    return await assign_reason(here.directory, here.log, stop_id, data, here.clock)


@post("/stops/{stop_id:str}/split", status_code=200, responses=EDITED)
async def split(state: State, stop_id: FromPath[str], data: JSONBody[SplitEdit]) -> Page[StopItem]:
    """Cuts a stop in two; gives those that are there then, by time. 409 as for a reason."""
    return await split_stop(editing(state), stop_id, data)


@post("/stops/{stop_id:str}/merge", status_code=200, responses=EDITED)
async def merge(state: State, stop_id: FromPath[str], data: JSONBody[MergeEdit]) -> Page[StopItem]:
    """Joins a stop with others of its machine; gives the one that is there then. 409 as for a reason, of any of them."""
    return await merge_stops(editing(state), stop_id, data)


@post("/stops/{stop_id:str}/undo", status_code=200, responses=EDITED)
async def undo(state: State, stop_id: FromPath[str], data: JSONBody[UndoEdit]) -> Page[StopItem]:
    """Takes the last edit of a stop back, be it a reason, a split or a merge; gives what is there then. 409 as for a reason."""
    return await undo_edit(editing(state), stop_id, data)


HANDLERS = [give_reason, split, merge, undo]
