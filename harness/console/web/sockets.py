"""The three websockets of a page: the serial line, the screen, and the snapshots."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from harness.console.web.access import Viewer
from harness.console.web.identity import require_viewer
from harness.console.web.outbox import Outbox, TooSlowError, send_bytes, send_text
from harness.console.web.rfb import ClientFilter, NotRfbError
from harness.console.web.room import Room
from harness.host.bugs import as_fault
from harness.host.racing import first_of

MAX_BEHIND_BYTES = 16 << 20
"""How many serial bytes may wait for one browser."""
_MAX_MESSAGE_BYTES = 2 << 20
_SCREEN_BYTES = 64 << 10


async def serial(request: web.Request) -> web.WebSocketResponse:
    """Serve the serial line: past bytes first; keys of the typist go to the guest."""
    room, viewer = request.app[Room.KEY], require_viewer(request)
    async with _opened(request, room, viewer) as socket:
        outbox = Outbox(MAX_BEHIND_BYTES)
        unwatch = room.guest.watch_serial(outbox.put)
        try:
            await _until_one_ends(
                request,
                socket,
                outbox.send_all(socket),
                outbox.overflow(),
                _type(socket, room, viewer),
            )
        finally:
            unwatch()
    return socket


async def _type(socket: web.WebSocketResponse, room: Room, viewer: Viewer) -> None:
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            return
        if room.access.typist is viewer:
            room.guest.type(message.data)


async def screen(request: web.Request) -> web.WebSocketResponse:
    """Serve the screen: RFB between browser and QEMU. Only the typist sends more than requests."""
    room, viewer = request.app[Room.KEY], require_viewer(request)
    path = room.guest.vnc_socket
    async with _opened(request, room, viewer) as socket:
        if path is None:
            return socket
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError:
            # The machine is off, or is being replaced: the page tries again.
            return socket
        client = ClientFilter(lambda: room.access.typist is viewer)
        try:
            await _until_one_ends(
                request, socket, _to_browser(reader, socket), _to_qemu(socket, client, writer)
            )
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    return socket


async def _to_browser(reader: asyncio.StreamReader, socket: web.WebSocketResponse) -> None:
    # While the browser does not accept data, QEMU is not read, so it holds pictures back.
    while chunk := await reader.read(_SCREEN_BYTES):
        await send_bytes(socket, chunk)


async def _to_qemu(
    socket: web.WebSocketResponse, client: ClientFilter, writer: asyncio.StreamWriter
) -> None:
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            return
        writer.write(client.feed(message.data))
        await writer.drain()


async def events(request: web.Request) -> web.WebSocketResponse:
    """Serve the snapshots; nothing is read from the browser."""
    room, viewer = request.app[Room.KEY], require_viewer(request)
    async with _opened(request, room, viewer) as socket:
        about = {"kind": "about", "you": viewer.name, "actions": room.actions}
        with suppress(ConnectionError, TooSlowError):
            await send_text(socket, json.dumps(about))
        await _until_one_ends(request, socket, _send_snapshots(socket, room), _wait_for_end(socket))
    return socket


async def _send_snapshots(socket: web.WebSocketResponse, room: Room) -> None:
    number = 0
    while True:
        number, text = await room.feed.next_after(number)
        await send_text(socket, text)


async def _wait_for_end(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        return


@asynccontextmanager
async def _opened(
    request: web.Request, room: Room, viewer: Viewer
) -> AsyncIterator[web.WebSocketResponse]:
    socket = web.WebSocketResponse(max_msg_size=_MAX_MESSAGE_BYTES, heartbeat=20.0, compress=False)
    await socket.prepare(request)
    room.add_socket(viewer, socket)
    try:
        yield socket
    finally:
        room.remove_socket(viewer, socket)
        await socket.close()


async def _until_one_ends(
    request: web.Request, socket: web.WebSocketResponse, *coroutines: Coroutine[Any, Any, None]
) -> None:
    """Run the coroutines of a connection until one ends, then cancel the others."""
    for end in await first_of(*coroutines):
        if isinstance(end, TooSlowError):
            # No close frame: it would wait behind the unsent data.
            if request.transport:
                request.transport.abort()
        elif isinstance(end, NotRfbError):
            await socket.close(code=WSCloseCode.POLICY_VIOLATION)
        elif isinstance(end, Exception) and not isinstance(end, OSError):
            # Too late for an HTTP status: the page sees the connection end, and connects again.
            as_fault(end)
            await socket.close(code=WSCloseCode.INTERNAL_ERROR)
