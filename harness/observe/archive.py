"""A package archive that the guest reaches through the receiver, and nothing behind it.

The network of a run is closed; an installer that fetches packages would have none. What it asks
for below ``ARCHIVE_PATH`` is fetched from the archive that was named, and nothing else is.
"""

from __future__ import annotations

import asyncio
import posixpath
from dataclasses import dataclass
from urllib.parse import unquote

import aiohttp
from yarl import URL

from harness.evidence.events import ArchiveGet, HostFault
from harness.evidence.log import EvidenceLog
from harness.net.http import follow_redirects, http_client, parse_url
from harness.net.link import LinkError

ARCHIVE_PATH = "/archive"
"""Where the archive is on the receiver; no call of a seed begins like that."""

_CHUNK_BYTES = 1 << 16
# Of each file one line: an installation fetches some hundreds.
_MAX_RECORDS = 5000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that the guest asks for: ``GET`` or ``HEAD``, and its path below the archive."""

    method: str
    path: str


def wanted(method: str, target: str) -> Wanted | None:
    """What a request with this method and target asks of the archive; None where of none of it.

    The path is below the archive whatever the guest writes: dots lead nowhere, and there is no
    query.
    """
    path = posixpath.normpath("/" + unquote(target.partition("?")[0]).lstrip("/"))
    if method not in ("GET", "HEAD") or not path.startswith(f"{ARCHIVE_PATH}/"):
        return None
    return Wanted(method, path.removeprefix(f"{ARCHIVE_PATH}/"))


class ArchiveRelay:
    """Sends files of the archive at ``url`` to the guest, and records each.

    An archive that cannot be reached is recorded as a fault of this host.
    """

    def __init__(self, log: EvidenceLog, url: str) -> None:
        self._log = log
        self._base = parse_url(url.rstrip("/") + "/")
        self._records = 0

    async def send(self, what: Wanted, writer: asyncio.StreamWriter) -> None:
        """Write the response for ``what``: the file, or the status that the archive gives."""
        url = self._base.joinpath(*what.path.split("/"))
        try:
            async with (
                http_client() as session,
                follow_redirects(session, what.method, url, {}) as response,
            ):
                size_bytes = await _relay(response, writer)
                self._record(what, response.status, size_bytes)
        except (LinkError, aiohttp.ClientError, TimeoutError) as error:
            self._fail(url, error)

    def _record(self, what: Wanted, status: int, size_bytes: int) -> None:
        self._records += 1
        if self._records <= _MAX_RECORDS:
            self._log.record(ArchiveGet(what.path[:512], status, size_bytes))

    def _fail(self, url: URL, error: Exception) -> None:
        statement = f"The package archive could not be read at {url}: {error}."
        self._log.record(HostFault("host.archive-unreachable", statement))


async def _relay(response: aiohttp.ClientResponse, writer: asyncio.StreamWriter) -> int:
    """The response to the guest, with a length: its connection is never closed from here."""
    length = response.content_length
    if response.status != 200 or length is None:
        # A page of a server that tells no length: an archive's files have one.
        body = await response.read() if response.status == 200 else b""
        writer.write(_head(response.status, response.reason or "", len(body)) + body)
        await writer.drain()
        return len(body)
    writer.write(_head(200, "OK", length))
    if response.method == "HEAD":
        await writer.drain()
        return 0
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    return length


def _head(status: int, reason: str, length: int) -> bytes:
    reason = reason.encode("ascii", errors="replace").decode()
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Length: {length}\r\n"
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
