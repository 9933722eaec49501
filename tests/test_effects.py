"""Effects: an attempt before, a result after; what nobody knows is not done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tailrace.connectors.memory import MemoryLog
from tailrace.engine.effects import Dispatcher, Refused, Wanted
from tailrace.engine.log import Receipt
from tailrace.schemas.errors import NotFound, SendFailed, Unavailable
from tailrace.schemas.event import EffectDone, EffectFailed, EffectUnknown
from tailrace.schemas.record import Record


class Outside:
    """Remembers what was done; may refuse, hang up before or after, or know repeats by their key."""

    def __init__(self, log: MemoryLog, *, takes_keys: bool) -> None:
        self.takes_keys, self.done, self.fails = takes_keys, list[str](), ""
        self._log = log

    async def act(self, wanted: Wanted) -> str:
        last = (await self._log.read(await self._log.end() - 1, 1))[0]
        assert last.type == "effect.attempted", "the attempt is in the log before anything is done"
        if self.fails == "refuses":
            raise Refused("no such part")
        if self.fails == "hangs up before":
            raise ConnectionError("reset")
        if not (self.takes_keys and wanted.id in self.done):
            self.done.append(wanted.id)
        if self.fails == "hangs up after":
            raise ConnectionError("reset")
        if self.fails == "dies":
            raise asyncio.CancelledError
        return "thanks"


class Fixture:
    def __init__(self, *, takes_keys: bool = False) -> None:
        self.log = MemoryLog()
        self.outside = Outside(self.log, takes_keys=takes_keys)
        self._runs = 0

    async def dispatcher(self) -> Dispatcher:
        self._runs += 1
        made = Dispatcher(self.log, {"erp": self.outside}, clock=lambda: 10**18, token=f"run{self._runs}")
        await made.restore()
        return made

    async def said(self) -> list[str]:
        return [record.type.removeprefix("effect.") for record in await self.log.read(0, 100)]


ORDER = Wanted(id="w1", target="erp", machine="M1")


async def test_what_is_wanted_is_done_once_whoever_asks_again() -> None:
    plant = Fixture()
    first = await plant.dispatcher()
    assert await first.dispatch(ORDER) is EffectDone
    assert await first.dispatch(ORDER) is EffectDone
    assert await (await plant.dispatcher()).dispatch(ORDER) is EffectDone
    assert plant.outside.done == ["w1"] and await plant.said() == ["attempted", "done"]


async def test_what_is_refused_is_not_tried_again() -> None:
    plant = Fixture()
    plant.outside.fails = "refuses"
    assert await (await plant.dispatcher()).dispatch(ORDER) is EffectFailed
    plant.outside.fails = ""
    assert await (await plant.dispatcher()).dispatch(ORDER) is EffectFailed
    assert plant.outside.done == [] and await plant.said() == ["attempted", "failed"]


@pytest.mark.parametrize("fails", ["hangs up before", "hangs up after", "dies"])
@pytest.mark.parametrize("takes_keys", [True, False])
async def test_what_nobody_knows_is_repeated_only_where_a_repeat_is_known(fails: str, takes_keys: bool) -> None:
    plant = Fixture(takes_keys=takes_keys)
    plant.outside.fails = fails
    first = await plant.dispatcher()
    if fails == "dies":
        with pytest.raises(asyncio.CancelledError):
            await first.dispatch(ORDER)
    else:
        assert await first.dispatch(ORDER) is EffectUnknown
    plant.outside.fails = ""
    second = await plant.dispatcher()
    assert second.unknown == ["w1"]
    happened = list(plant.outside.done)
    assert await second.dispatch(ORDER) is (EffectDone if takes_keys else EffectUnknown)
    assert plant.outside.done == (["w1"] if takes_keys else happened)
    assert (await plant.said())[:2] == ["attempted", "unknown"]


async def test_a_person_may_try_what_is_unknown_once_more() -> None:
    plant = Fixture()
    plant.outside.fails = "hangs up before"
    dispatcher = await plant.dispatcher()
    await dispatcher.dispatch(ORDER)
    plant.outside.fails = ""
    assert await dispatcher.again(ORDER) is EffectDone
    with pytest.raises(NotFound, match="expected one of which nobody knows what happened"):
        await dispatcher.again(ORDER)
    assert plant.outside.done == ["w1"]


async def test_nothing_is_done_without_a_durable_attempt() -> None:
    class Full(MemoryLog):
        async def append(self, records: Sequence[Record]) -> Receipt:
            raise SendFailed("the disk is full")

    outside = Outside(MemoryLog(), takes_keys=False)
    dispatcher = Dispatcher(Full(), {"erp": outside}, clock=lambda: 1, token="x")
    with pytest.raises(SendFailed):
        await dispatcher.dispatch(ORDER)
    assert outside.done == []


async def test_a_target_nobody_has_heard_of_and_a_token_that_was_used() -> None:
    plant = Fixture()
    dispatcher = await plant.dispatcher()
    with pytest.raises(NotFound, match="expected a target of erp, got 'mail'"):
        await dispatcher.dispatch(Wanted(id="w2", target="mail"))
    await dispatcher.dispatch(ORDER)
    again = Dispatcher(plant.log, {"erp": plant.outside}, clock=lambda: 10**18, token="run1")
    await again.restore()
    with pytest.raises(Unavailable, match="a token that no dispatcher had before, got 'run1' again"):
        await again.dispatch(Wanted(id="w3", target="erp"))
    assert plant.outside.done == ["w1"]
