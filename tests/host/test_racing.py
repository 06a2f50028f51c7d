"""The first of several coroutines to end cancels the others, and no task is left."""

import asyncio

import pytest

from harness.host.racing import first_of, racing


async def _for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("for ever")


async def _at_once(value: int) -> int:
    return value


async def _fault() -> None:
    raise ConnectionError("gone")


def test_first_of_cancels_the_others() -> None:
    ended: list[str] = []

    async def run() -> None:
        seven, other = await first_of(_at_once(7), _for_ever(ended))
        assert seven == 7
        assert isinstance(other, asyncio.CancelledError)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    assert ended == ["for ever"]


def test_an_exception_stays_in_its_task() -> None:
    async def run() -> None:
        async with racing(_fault(), _for_ever([])) as (fault, other):
            assert isinstance(fault.exception(), ConnectionError)
            assert not other.done()

    asyncio.run(run())


def test_another_coroutine_continues_in_the_block() -> None:
    async def run() -> int:
        go = asyncio.Event()

        async def later() -> int:
            await go.wait()
            return 9

        async with racing(_at_once(1), later()) as (_, other):
            go.set()
            return int(await other)

    assert asyncio.run(run()) == 9


def test_no_task_is_left_after_a_cancellation() -> None:
    ended: list[str] = []

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await first_of(_for_ever(ended), _for_ever(ended))
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
