"""Exceptions that asyncio would only print: of a callback, and of who serves a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# What asyncio says of them (asyncio/events.py, asyncio/streams.py). Others are of tasks that
# somebody waits for, or are about a connection that broke.
_OF_OURS = ("Exception in callback", "Unhandled exception in client_connected_cb")


@contextmanager
def told_of_bugs(bug: Callable[[BaseException], object]) -> Iterator[None]:
    """Hand what the running loop has nobody for to ``bug`` while the block runs."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and str(context.get("message", "")).startswith(_OF_OURS):
            bug(error)
        elif before:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)
