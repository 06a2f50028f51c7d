"""Checksum files that vouch for what is behind a link: found beside it, or where it is said."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import aiohttp
import pytest
from yarl import URL

from harness.errors import UsageError
from harness.net.link import LinkError
from harness.net.vouch import beside, place, promised
from tests.server import Server, serving

T = TypeVar("T")
CONTENT = b"an image"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"x.img": CONTENT}) as running:
        yield running


def asked(question: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with aiohttp.ClientSession() as session:
            return await question(session)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("checksums", "where"),
    [
        ("SHA256SUMS", "https://example.org/a/SHA256SUMS"),
        ("../SHA256SUMS", "https://example.org/SHA256SUMS"),
        ("https://other.example/sums", "https://other.example/sums"),
    ],
)
def test_a_list_is_beside_the_file_or_elsewhere(checksums: str, where: str) -> None:
    assert place(URL("https://example.org/a/x.img"), checksums) == URL(where)


def test_what_is_neither_a_link_nor_a_name() -> None:
    with pytest.raises(UsageError, match="is neither a link nor a name"):
        place(URL("https://example.org/a/x.img"), "//[:::")


def test_the_first_list_that_names_the_file_is_taken(server: Server) -> None:
    server.files["SHA256SUMS"] = f"{'0' * 64}  other.img\n".encode()
    server.files["x.img.sha256"] = f"{SHA256}  x.img\n".encode()
    found = asked(lambda session: beside(session, URL(server.url("x.img"))))
    assert found
    assert (found.hex, found.source) == (SHA256, "x.img.sha256")


def test_without_a_list_nothing_is_said(server: Server) -> None:
    assert asked(lambda session: beside(session, URL(server.url("x.img")))) is None


def test_a_list_that_was_promised_has_to_name_it(server: Server) -> None:
    url = URL(server.url("x.img"))
    server.files["sums"] = f"{SHA256}  x.img\n".encode()
    assert asked(lambda session: promised(session, url, "sums")).hex == SHA256
    server.files["sums"] = f"{SHA256}  other.img\n".encode()
    with pytest.raises(LinkError, match=r"does not name x\.img") as caught:
        asked(lambda session: promised(session, url, "sums"))
    assert caught.value.kind == "no-checksum"
    with pytest.raises(LinkError, match="cannot be had") as caught:
        asked(lambda session: promised(session, url, "nowhere"))
    assert caught.value.kind == "no-checksum"
