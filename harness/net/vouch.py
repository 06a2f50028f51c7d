"""What vouches for the file behind a link: a checksum file, beside it or elsewhere, is fetched."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
from yarl import URL

from harness.errors import HostError, UsageError
from harness.net.checksums import MAX_BYTES, Checksum, checksum_for
from harness.net.http import check_page, check_status, follow, parse_url, read_up_to, translate
from harness.net.link import LinkError, is_url, name_in_url, without_password

_FETCH_S = 20.0
_ASK_S = 30.0
_TRIES = 3
_RETRY_S = 0.5
# The commonest first: each is a request where the ones before it are not there.
_BESIDE = (
    "SHA256SUMS",
    "{}.sha256",
    "SHA512SUMS",
    "{}.sha512",
    "CHECKSUM",
    "{}.CHECKSUM",
    "{}.SHA256SUM",
    "{}.SHA256",
)


async def beside(session: aiohttp.ClientSession, url: URL) -> Checksum | None:
    """The checksum that a list beside the file gives, by the names that lists usually have.

    Bounded to half a minute in all; what cannot be had says nothing.
    """
    name = name_in_url(str(url))
    try:
        async with asyncio.timeout(_ASK_S):
            for pattern in _BESIDE:
                sums = pattern.format(name)
                try:
                    text = await _fetch(session, url.join(URL.build(path=sums)))
                except (LinkError, HostError):
                    continue
                found = checksum_for(text, name)
                if found:
                    return replace(found, source=sums)
    except TimeoutError:
        pass
    return None


async def promised(session: aiohttp.ClientSession, url: URL, checksums: str) -> Checksum:
    """The checksum of the file at ``url`` in ``checksums``, a link or a name beside the file.

    Raises LinkError of the kind ``no-checksum`` where there is none, HostError where this host has
    no network.
    """
    where = place(url, checksums)
    text = await fetch_list(session, where)
    name, sums = name_in_url(str(url)), name_in_url(str(where))
    alone = sums.lower().startswith(f"{name.lower()}.")
    found = checksum_for(text, name, of_it_alone=alone)
    if found is None:
        what = f"the checksum file {without_password(str(where))} does not name {name}"
        raise LinkError("no-checksum", what)
    return replace(found, source=sums)


def place(url: URL, checksums: str) -> URL:
    """Where ``checksums`` is: a link, or a name beside the file at ``url``.

    Raises UsageError for what is neither.
    """
    if is_url(checksums):
        return parse_url(checksums)
    try:
        return url.join(URL(checksums))
    except ValueError as error:
        raise UsageError(f"{checksums}: is neither a link nor a name: {error}.") from error


async def fetch_list(session: aiohttp.ClientSession, url: URL) -> str:
    """The text of a checksum file; at most ``MAX_BYTES`` of it.

    Raises LinkError of the kind ``no-checksum`` where it cannot be had, HostError where this host
    has no network.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await _fetch(session, url)
        except LinkError as error:
            if error.passing and tries < _TRIES:
                await asyncio.sleep(_RETRY_S)
                continue
            shown = without_password(str(url))
            what = f"the checksum file {shown} cannot be had: {error.what}"
            raise LinkError("no-checksum", what, error.evidence) from error


async def _fetch(session: aiohttp.ClientSession, url: URL) -> str:
    """The text at ``url``; raises LinkError, HostError."""
    try:
        async with asyncio.timeout(_FETCH_S), follow(session, "GET", url, {}) as response:
            check_status(response)
            content = await read_up_to(response, MAX_BYTES)
            check_page(response.headers.get("Content-Type", ""), content)
            return content.decode("utf-8", errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise translate(error, url) from error
