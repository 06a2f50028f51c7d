"""The relay to a package archive, which the guest reaches through the receiver.

The network of a run is closed, and some installers fetch packages. Requests for files below
``ARCHIVE_PATH`` are fetched from the archive that the user named; no other host is reached.
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
"""The path of the archive on the receiver; no call of a seed begins with it."""

_CHUNK_BYTES = 1 << 16
# One record a file: an installation fetches some hundreds.
_MAX_RECORDS = 5000


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """A request of the guest: ``GET`` or ``HEAD``, and the path of the file below the archive."""

    method: str
    path: str


def archive_request(method: str, target: str) -> ArchiveRequest | None:
    """Return the archive request with this method and target; None for any other request.

    The path stays below the archive whatever the guest writes: ".." cannot leave it, and the query
    is dropped.
    """
    path = posixpath.normpath("/" + unquote(target.partition("?")[0]).lstrip("/"))
    if method not in ("GET", "HEAD") or not path.startswith(f"{ARCHIVE_PATH}/"):
        return None
    return ArchiveRequest(method, path.removeprefix(f"{ARCHIVE_PATH}/"))


class ArchiveRelay:
    """The sender of files of the archive at ``url`` to the guest, which records each.

    An archive that cannot be reached is recorded as a fault of this host.
    """

    def __init__(self, log: EvidenceLog, url: str) -> None:
        self._log = log
        self._base = parse_url(url.rstrip("/") + "/")
        self._records = 0

    async def send(self, what: ArchiveRequest, writer: asyncio.StreamWriter) -> None:
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

    def _record(self, what: ArchiveRequest, status: int, size_bytes: int) -> None:
        self._records += 1
        if self._records <= _MAX_RECORDS:
            self._log.record(ArchiveGet(what.path[:512], status, size_bytes))

    def _fail(self, url: URL, error: Exception) -> None:
        statement = f"The package archive could not be read at {url}: {error}."
        self._log.record(HostFault("host.archive-unreachable", statement))


async def _relay(response: aiohttp.ClientResponse, writer: asyncio.StreamWriter) -> int:
    """Send the response with its length, since this side never closes the connection.

    Returns the number of bytes of the body.
    """
    length = response.content_length
    if response.status != 200 or length is None:
        # A page without a Content-Length: the files of an archive have one.
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
