"""The queue of bytes for a viewer, bounded, so that a slow one loses only its own connection."""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp import web

from harness.errors import CaughtError

STALL_S = 20.0
"""The time in which a browser must accept at least something."""
_PIECE_BYTES = 64 << 10


class TooSlowError(CaughtError):
    """A browser accepts less than the guest writes; its connection must end."""


class Outbox:
    """The bytes that wait for one browser, ``limit_bytes`` at most."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._filled = asyncio.Event()
        self._overflowed = asyncio.Event()

    def put(self, chunk: bytes) -> None:
        """Queue ``chunk``; never waits."""
        if self._waiting_bytes + len(chunk) > self._limit_bytes:
            self._overflowed.set()
            return
        self._waiting_bytes += len(chunk)
        self._pieces.extend(
            chunk[start : start + _PIECE_BYTES] for start in range(0, len(chunk), _PIECE_BYTES)
        )
        self._filled.set()

    async def send_all(self, socket: web.WebSocketResponse) -> None:
        """Send queued bytes until cancelled. Raises TooSlowError if the browser accepts nothing."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._pieces:
                piece = self._pieces.popleft()
                await send_bytes(socket, piece)
                self._waiting_bytes -= len(piece)

    async def overflow(self) -> None:
        """Raise TooSlowError as soon as a chunk did not fit."""
        await self._overflowed.wait()
        raise TooSlowError


async def send_bytes(socket: web.WebSocketResponse, chunk: bytes) -> None:
    """Send ``chunk``; raises TooSlowError after ``STALL_S``."""
    try:
        async with asyncio.timeout(STALL_S):
            await socket.send_bytes(chunk)
    except TimeoutError:
        raise TooSlowError from None


async def send_text(socket: web.WebSocketResponse, text: str) -> None:
    """Send ``text``; raises TooSlowError after ``STALL_S``."""
    try:
        async with asyncio.timeout(STALL_S):
            await socket.send_str(text)
    except TimeoutError:
        raise TooSlowError from None
