"""Ways to wait that run side by side until the first of them has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def racing(*ways: Coroutine[Any, Any, Any]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Run ``ways`` side by side; the block begins when the first of them has ended.

    Those that still run at its end are cancelled, and waited for. What one of them raised is in
    its task, for who asks for it.
    """
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def first_of(*ways: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run ``ways`` until the first of them has ended, and end the others.

    The answer has a row for each: what it returned or raised, a CancelledError for an ended one.
    """
    async with racing(*ways) as tasks:
        pass
    return await asyncio.gather(*tasks, return_exceptions=True)
