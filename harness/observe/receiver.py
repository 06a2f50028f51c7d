"""The receiver: the only server that the guest can reach, which records the guest's calls.

QEMU joins all connections that the guest makes to the receiver's address into one stream and does
not mark where one ends (``guestfwd`` to a chardev). HTTP does: each request carries its length.
Bytes that are not HTTP are dropped up to the next request line.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qsl

import h11

from harness.evidence.events import Call
from harness.evidence.log import EvidenceLog
from harness.observe.archive import ArchiveRelay, ArchiveRequest, archive_request

_MAX_BODY_BYTES = 256 << 10
_MAX_FIELDS = 32
_MAX_VALUE_CHARS = 4096
_MAX_CALLS = 1000
# The guest closes its side; on ours the stream goes on.
_HEAD = "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"
_OK = _HEAD.format(3).encode() + b"ok\n"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_REQUEST_LINE = re.compile(rb"(?:GET|HEAD|POST|PUT) /")


class Receiver:
    """The HTTP server for the stream: it records every call and returns the response.

    With ``has_archive``, a request to the package archive is no call: it is appended to
    ``archive_requests``, in the order of the responses. ``bodies`` are those of a service, by
    path: with them, a GET is answered with the body of its path, or with 404.
    """

    def __init__(
        self,
        log: EvidenceLog,
        *,
        has_archive: bool = False,
        bodies: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        self._log = log
        self._calls = 0
        self._has_archive = has_archive
        self._bodies = bodies
        self.archive_requests: deque[ArchiveRequest] = deque()
        self._restart()

    def _restart(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=16 << 10)
        self._path = self._method = ""
        self._body = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Return the response bytes for ``chunk``."""
        answer = b""
        while True:
            try:
                self._http.receive_data(chunk)
                return answer + self._answer()
            except h11.RemoteProtocolError:
                # The rest of another connection, or no HTTP: begin again at a request line.
                rest = self._http.trailing_data[0] or chunk
                self._restart()
                # Where all of it is left, it is what broke: its first byte begins no request.
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
                self._method = event.method.decode("ascii", errors="replace")
                self._body.clear()
            elif isinstance(event, h11.Data):
                if len(self._body) < _MAX_BODY_BYTES:
                    self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                answer += self._close_request()
            else:
                return answer

    def _close_request(self) -> bytes:
        """Return the response to the request that has just ended; b"" where the relay sends it."""
        of_archive = archive_request(self._method, self._path) if self._has_archive else None
        if of_archive:
            self.archive_requests.append(of_archive)
        else:
            self._record_call()
        answer = self._response()
        trailing = self._http.trailing_data[0]
        self._restart()
        if trailing:
            self._http.receive_data(trailing)
        return b"" if of_archive else answer

    def _response(self) -> bytes:
        if not self._bodies or self._method != "GET":
            return _OK
        body = self._bodies.get(self._path)
        return _NOT_FOUND if body is None else _HEAD.format(len(body)).encode() + body

    def _record_call(self) -> None:
        self._calls += 1
        if self._calls <= _MAX_CALLS:
            text = bytes(self._body[:_MAX_BODY_BYTES]).decode("utf-8", errors="replace")
            fields = parse_qsl(text, keep_blank_values=True)[:_MAX_FIELDS]
            bounded = {name[:64]: value[:_MAX_VALUE_CHARS] for name, value in fields}
            self._log.record(Call(self._path[:512], bounded))


@asynccontextmanager
async def observe_receiver(
    log: EvidenceLog,
    socket: Path,
    archive: str | None = None,
    bodies: Mapping[str, bytes] = MappingProxyType({}),
) -> AsyncIterator[None]:
    """Listen on ``socket`` for the guest's requests to the receiver until the block is left.

    ``archive`` is the URL of a package archive that the guest may read from, ``bodies`` are the
    answers of a service there, by path.
    """
    relay = ArchiveRelay(log, archive) if archive else None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver = Receiver(log, has_archive=relay is not None, bodies=bodies)
        try:
            while chunk := await reader.read(1 << 16):
                writer.write(receiver.feed(chunk))
                await writer.drain()
                while relay and receiver.archive_requests:
                    await relay.send(receiver.archive_requests.popleft(), writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_unix_server(serve, socket) as server:
        try:
            yield
        finally:
            server.close()
