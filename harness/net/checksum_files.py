"""The fetching of checksum files for the file behind a link: beside it, or at a link."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
from yarl import URL

from harness.errors import HostError, UsageError
from harness.net.checksums import MAX_BYTES, Checksum, checksum_for
from harness.net.http import (
    check_page,
    check_status,
    connection_error,
    follow_redirects,
    parse_url,
    read_up_to,
)
from harness.net.link import LinkError, is_url, name_in_url, without_password

_FETCH_S = 20.0
_SEARCH_S = 30.0
_TRIES = 3
_RETRY_S = 0.5
# The most common first: each name costs a request where those before it do not exist.
_FILE_NAMES = (
    "SHA256SUMS",
    "{}.sha256",
    "SHA512SUMS",
    "{}.sha512",
    "CHECKSUM",
    "{}.CHECKSUM",
    "{}.SHA256SUM",
    "{}.SHA256",
)


async def checksum_beside(session: aiohttp.ClientSession, url: URL) -> Checksum | None:
    """The checksum in a checksum file with a usual name beside the file; None without one.

    Takes 30 s at most. A file that cannot be fetched is skipped.
    """
    name = name_in_url(str(url))
    try:
        async with asyncio.timeout(_SEARCH_S):
            for pattern in _FILE_NAMES:
                file_name = pattern.format(name)
                try:
                    text = await _fetch(session, url.join(URL.build(path=file_name)))
                except (LinkError, HostError):
                    continue
                found = checksum_for(text, name)
                if found:
                    return replace(found, source=file_name)
    except TimeoutError:
        pass
    return None


async def named_checksum(session: aiohttp.ClientSession, url: URL, checksums: str) -> Checksum:
    """The checksum of the file at ``url`` in ``checksums``, a link or a name beside the file.

    Raises LinkError with kind ``no-checksum`` if missing, HostError where this host has
    no network.
    """
    where = checksum_file_url(url, checksums)
    text = await fetch_checksum_file(session, where)
    name, file_name = name_in_url(str(url)), name_in_url(str(where))
    of_any_name = file_name.lower().startswith(f"{name.lower()}.")
    found = checksum_for(text, name, of_any_name=of_any_name)
    if found is None:
        what = f"the checksum file {without_password(str(where))} does not name {name}"
        raise LinkError("no-checksum", what)
    return replace(found, source=file_name)


def checksum_file_url(url: URL, checksums: str) -> URL:
    """The URL of a checksum file: ``checksums`` is a link, or a name beside the file at ``url``.

    Raises UsageError for any other text.
    """
    if is_url(checksums):
        return parse_url(checksums)
    try:
        return url.join(URL(checksums))
    except ValueError as error:
        raise UsageError(f"{checksums}: is neither a link nor a name: {error}.") from error


async def fetch_checksum_file(session: aiohttp.ClientSession, url: URL) -> str:
    """Fetch the text of a checksum file, at most ``MAX_BYTES`` of it.

    Raises LinkError with kind ``no-checksum`` where that fails, HostError where this host has no
    network.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await _fetch(session, url)
        except LinkError as error:
            if error.transient and tries < _TRIES:
                await asyncio.sleep(_RETRY_S)
                continue
            shown = without_password(str(url))
            what = f"the checksum file {shown} cannot be had: {error.what}"
            raise LinkError("no-checksum", what, error.evidence) from error


async def _fetch(session: aiohttp.ClientSession, url: URL) -> str:
    """Fetch the text at ``url``; raises LinkError, HostError."""
    try:
        async with asyncio.timeout(_FETCH_S), follow_redirects(session, "GET", url, {}) as response:
            check_status(response)
            content = await read_up_to(response, MAX_BYTES)
            check_page(response.headers.get("Content-Type", ""), content)
            return content.decode("utf-8", errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise connection_error(error, url) from error
