"""Exceptions that asyncio would only print: of callbacks and of connection handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# The messages of asyncio about them (asyncio/events.py, asyncio/streams.py). Other messages are of
# tasks that are awaited, or about a connection that broke.
_UNAWAITED_MESSAGES = ("Exception in callback", "Unhandled exception in client_connected_cb")


@contextmanager
def reporting_bugs(bug: Callable[[BaseException], object]) -> Iterator[None]:
    """Call ``bug`` with exceptions of the running loop that nothing awaits, during the block."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and str(context.get("message", "")).startswith(
            _UNAWAITED_MESSAGES
        ):
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
