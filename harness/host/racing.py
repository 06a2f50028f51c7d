"""Coroutines that run in parallel until the first of them has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def racing(*coroutines: Coroutine[Any, Any, Any]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Run ``coroutines`` in parallel; enter the block when the first of them has ended.

    At the end of the block the others are cancelled and awaited. An exception stays in the task
    that raised it.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def first_of(*coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run ``coroutines`` until the first of them has ended, and cancel the others.

    Return the result or the exception of each, in order: CancelledError for a cancelled one.
    """
    async with racing(*coroutines) as tasks:
        pass
    return await asyncio.gather(*tasks, return_exceptions=True)
