"""The server of a page: its address, and its one-time links."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import WSCloseCode, web

from harness.console.web.access import AccessControl, host_header, is_loopback
from harness.console.web.app import new_app
from harness.console.web.files import page_files
from harness.console.web.room import ConsoleMachine, Room
from harness.errors import UsageError


@dataclass(frozen=True, slots=True)
class PageServer:
    """A running server. ``host`` is the address and port of the page."""

    host: str
    access: AccessControl

    def new_link(self) -> str:
        """Return a link that admits one browser, once."""
        return f"http://{self.host}/#{self.access.new_link()}"


@asynccontextmanager
async def serving(
    guest: ConsoleMachine, actions: tuple[Mapping[str, Any], ...], address: str = "127.0.0.1"
) -> AsyncIterator[PageServer]:
    """Serve ``guest`` at ``address``, at a free port, until the block is left.

    Raises UsageError if the page is not built, or ``address`` cannot be bound.
    """
    files = page_files()
    bound = _bind(address)
    server = PageServer(host_header(address, bound.getsockname()[1]), AccessControl())
    room = Room(guest, server.access, actions, server.new_link)
    runner = web.AppRunner(new_app(room, files), access_log=None, shutdown_timeout=1.0)
    feed = asyncio.create_task(room.feed.run())
    try:
        await runner.setup()
        await web.SockSite(runner, bound).start()
        yield server
    finally:
        # Otherwise the runner waits for their handlers.
        for viewer in list(room.sockets):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await viewer.close(code=WSCloseCode.GOING_AWAY)
        await runner.cleanup()
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


def _bind(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.bind((address, 0))
    except OSError as error:
        bound.close()
        raise UsageError(f"--web-bind {address}: {error.strerror}.") from error
    return bound


def address_warning(address: str) -> str:
    """Return a warning about ``address``; "" for a loopback address."""
    if is_loopback(address):
        return ""
    return (
        f"The console is reachable at {address} by everybody on that network, and what is typed "
        "goes there unencrypted: who reads it there can type as well."
    )
