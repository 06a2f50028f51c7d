"""The receiver: the one place that the guest can reach, and what it says there.

QEMU joins every connection that the guest makes to the receiver's address into one stream and
does not say where one ends (``guestfwd`` to a chardev). HTTP says it: each request carries its
length. What is no HTTP is dropped up to the next request line.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import h11

from harness.evidence import EvidenceLog

_MAX_BODY_BYTES = 256 << 10
_MAX_FIELDS = 32
_MAX_VALUE_CHARS = 4096
_MAX_CALLS = 1000
_REQUEST_LINE = re.compile(rb"(?:GET|HEAD|POST|PUT) /")


class Receiver:
    """Takes the stream, records every call, and says what to answer."""

    def __init__(self, log: EvidenceLog) -> None:
        self._log = log
        self._calls = 0
        self._restart()

    def _restart(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=16 << 10)
        self._path = ""
        self._body = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to send back for ``chunk``."""
        answer = b""
        while True:
            try:
                self._http.receive_data(chunk)
                return answer + self._answer()
            except h11.RemoteProtocolError:
                # The rest of another connection, or no HTTP: begin again at a request line.
                rest = self._http.trailing_data[0] or chunk
                self._restart()
                # What is left as a whole is what broke: its own first byte is no beginning.
                found = _REQUEST_LINE.search(rest, 0 if len(rest) < len(chunk) else 1)
                if found is None:
                    return answer
                chunk = rest[found.start() :]

    def _answer(self) -> bytes:
        answer = b""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._path = event.target.decode("ascii", errors="replace")
                self._body.clear()
            elif isinstance(event, h11.Data):
                if len(self._body) < _MAX_BODY_BYTES:
                    self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                answer += self._close_call()
            else:
                return answer

    def _close_call(self) -> bytes:
        """Record the call that has just ended; the response to it."""
        self._calls += 1
        if self._calls <= _MAX_CALLS:
            text = bytes(self._body[:_MAX_BODY_BYTES]).decode("utf-8", errors="replace")
            fields = parse_qsl(text, keep_blank_values=True)[:_MAX_FIELDS]
            self._log.record(
                "receiver",
                "call",
                path=self._path[:512],
                fields={name[:64]: value[:_MAX_VALUE_CHARS] for name, value in fields},
            )
        trailing = self._http.trailing_data[0]
        self._restart()
        if trailing:
            self._http.receive_data(trailing)
        # The guest closes its side; on ours the stream goes on.
        return b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


@asynccontextmanager
async def observe_receiver(log: EvidenceLog, socket: Path) -> AsyncIterator[None]:
    """Listen on ``socket`` for what the guest sends to the receiver until the block is left."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver = Receiver(log)
        try:
            while chunk := await reader.read(1 << 16):
                writer.write(receiver.feed(chunk))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_unix_server(serve, socket) as server:
        try:
            yield
        finally:
            server.close()
