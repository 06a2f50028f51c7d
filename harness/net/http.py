"""HTTP requests for a link: redirects, errors, and web pages in place of a file.

Providers fetch links with a plain client: no cookies, no login, no scripts. This client is alike.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from harness.errors import NoNetworkError, UsageError
from harness.net.link import LinkError, without_password

_log = logging.getLogger(__name__)

SCHEMES = ("http", "https")
_CONNECT_S = 10.0
_MAX_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# No Content-Encoding: with compression, ranges and lengths would not be those of the file.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "harness"}


def parse_url(text: str) -> URL:
    """Parse a link; raises UsageError for one that no provider would accept."""
    try:
        url = URL(text)
        host = url.host
    except ValueError as error:
        raise UsageError(f"{text}: is no valid link: {error}.") from error
    if url.scheme.lower() not in SCHEMES:
        raise UsageError(f"{text}: only http and https links can be fetched.")
    if not host:
        raise UsageError(f"{text}: the link names no host.")
    return url


@asynccontextmanager
async def http_client() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client without cookies and without automatic redirects."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
    async with aiohttp.ClientSession(
        timeout=timeout,
        headers=_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=True,
    ) as session:
        yield session


@asynccontextmanager
async def follow_redirects(
    session: aiohttp.ClientSession, method: str, url: URL, headers: dict[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Follow all redirects and yield the final response.

    Raises LinkError for a fault of the link, HostError where this host has no network.
    """
    visited: list[str] = []
    while True:
        try:
            response = await session.request(method, url, headers=headers, allow_redirects=False)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise connection_error(error, url) from error
        _log.debug("%s %s: status %d", method, _without_secrets(url), response.status)
        async with response:
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                yield response
                return
        visited.append(str(url))
        url = _redirect_target(url, location)
        if len(visited) > _MAX_REDIRECTS or str(url) in visited:
            what = f"the link is redirected in a circle, or more than {_MAX_REDIRECTS} times"
            raise LinkError("unreachable", what, tuple(visited[-3:]))


def _without_secrets(url: URL) -> str:
    """The URL for the log, without its user, password and query, which may be secret."""
    plain = url.with_user(None).with_query(None).with_fragment(None)
    return f"{plain}?\u2026" if url.query_string else str(plain)


def _redirect_target(url: URL, location: str) -> URL:
    try:
        target = url.join(URL(location))
        usable = target.scheme in SCHEMES and bool(target.host)
    except ValueError:
        usable = False
    if not usable:
        what = "the link is redirected to an address that is no http or https link"
        raise LinkError("unreachable", what, (f"Location: {location}",))
    return target


def connection_error(error: Exception, url: URL) -> Exception:
    """Return the LinkError or HostError for an error of the HTTP client."""
    host = url.host or ""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = error.certificate_error
        reason_text = getattr(reason, "verify_message", "") or str(reason)
        return LinkError("tls", f"the certificate of {host} does not hold: {reason_text}")
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        reason = getattr(error, "os_error", error)
        reason_text = getattr(reason, "reason", "") or str(reason)
        return LinkError("tls", f"no TLS connection to {host}: {reason_text}")
    os_error = getattr(error, "os_error", error)
    if isinstance(os_error, socket.gaierror):
        if os_error.errno == socket.EAI_AGAIN:
            what = f"The name {host} cannot be looked up now: {os_error.strerror}."
            return NoNetworkError(what)
        return LinkError("unreachable", f"there is no host {host}: {os_error.strerror}")
    if isinstance(os_error, OSError) and os_error.errno in _NO_ROUTE:
        what = f"{host} cannot be reached from this host: {os_error.strerror}."
        return NoNetworkError(what)
    if isinstance(error, TimeoutError):
        return LinkError("unreachable", f"{host} does not answer")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return LinkError("unreachable", f"{host} closed the connection without an answer")
    if isinstance(error, aiohttp.ClientPayloadError):
        return LinkError(
            "unreachable", f"{host} closed the connection before all bytes came", transient=True
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return LinkError("unreachable", f"{host} answers with what is no HTTP: {error.message}")
    if isinstance(os_error, OSError) and os_error.errno:
        reason_text = os.strerror(os_error.errno)
    else:
        reason_text = str(error) or type(error).__name__
    return LinkError("unreachable", f"{host} cannot be reached: {reason_text}")


_NO_ROUTE = frozenset({errno.ENETUNREACH})  # this host has no route to the server


def check_status(response: aiohttp.ClientResponse) -> None:
    """Raise LinkError for a status without a file."""
    if response.status in (200, 206):
        return
    if response.status in (401, 403, 407):
        what = f"the server wants a log-in: {response.status} {response.reason}"
        raise LinkError("not-direct", what, (f"HTTP status {response.status}",))
    what = f"the server answers {response.status} {response.reason or ''}".rstrip()
    transient = response.status >= 500 or response.status == 429
    evidence = (f"{response.method} {without_password(str(response.url))}",)
    raise LinkError("unreachable", what, evidence, transient=transient)


def check_page(content_type: str, start: bytes) -> None:
    """Raise LinkError where the response is a web page."""
    kind = content_type.split(";")[0].strip().lower()
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:256].lower()
    looks = text.startswith((b"<!doctype html", b"<html", b"<head"))
    if not looks and (kind not in ("text/html", "application/xhtml+xml") or _is_binary(start)):
        return
    page = start.decode("utf-8", errors="replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", page, re.IGNORECASE | re.DOTALL)
    evidence = [f"Content-Type: {content_type or 'none'}"]
    if title:
        evidence.append(f"title: {' '.join(title[1].split())[:120]}")
    for kind_of_page, words in _PAGES:
        if re.search(words, page, re.IGNORECASE):
            raise LinkError("not-direct", f"the link leads to {kind_of_page}", tuple(evidence))
    raise LinkError("not-direct", "the link leads to a web page", tuple(evidence))


# Texts of the web pages that some servers send before a download, the most specific first.
_PAGES = (
    ("a page that warns of viruses", r"virus[ -]scan|scan this file for viruses"),
    ("a log-in page", r"type=[\"']?password|sign[ -]?in|log[ -]?in\b"),
    ("a page with a button to download", r">\s*download"),
)


def _is_binary(start: bytes) -> bool:
    return b"\0" in start[:1024]


def parse_content_range(text: str) -> tuple[int, int, int | None] | None:
    """The first byte, last byte and total size in ``bytes 0-99/1234`` (RFC 9110, 14.4)."""
    match = re.fullmatch(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", text.strip())
    if match is None:
        return None
    return int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])


def declared_size(response: aiohttp.ClientResponse) -> tuple[int | None, bool]:
    """The size in bytes that the response states, and whether it is a range response."""
    if response.status == 206:
        given = parse_content_range(response.headers.get("Content-Range", ""))
        if given is None or given[0] != 0:
            what = "the server answers a request for a range with another one"
            evidence = (f"Content-Range: {response.headers.get('Content-Range', 'none')}",)
            raise LinkError("unreachable", what, evidence)
        return given[2], True
    length = response.headers.get("Content-Length", "")
    return (int(length) if length.isdigit() else None), False


async def private_address(url: URL) -> str:
    """The address of the host of the link if no address of it is public, else ""."""
    loop = asyncio.get_running_loop()
    try:
        rows = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except OSError:
        return ""
    addresses = [ipaddress.ip_address(str(row[4][0]).split("%")[0]) for row in rows]
    if any(address.is_global for address in addresses):
        return ""
    return str(addresses[0]) if addresses else ""


def strong_etag(response: aiohttp.ClientResponse) -> str:
    """The ETag if it is a strong one, which identifies the exact bytes (RFC 9110, 8.8.3); or ""."""
    etag: str = response.headers.get("ETag", "")
    return "" if etag.startswith("W/") else etag


async def read_up_to(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The first ``limit`` bytes of a body."""
    content = bytearray()
    try:
        while len(content) < limit and (chunk := await response.content.read(limit)):
            content += chunk
    except aiohttp.ClientPayloadError:
        # The connection broke: the caller judges the length of the part that came.
        pass
    return bytes(content[:limit])
