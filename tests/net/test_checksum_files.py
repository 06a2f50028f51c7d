"""Checksum files for the file behind a link: beside it, or at a named place."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import aiohttp
import pytest
from yarl import URL

from harness.errors import UsageError
from harness.net.checksum_files import checksum_beside, checksum_file_url, named_checksum
from harness.net.link import LinkError
from tests.server import Server, serving

T = TypeVar("T")
CONTENT = b"an image"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"x.img": CONTENT}) as running:
        yield running


def run_with_session(request: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
    async def run() -> T:
        async with aiohttp.ClientSession() as session:
            return await request(session)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("checksums", "where"),
    [
        ("SHA256SUMS", "https://example.org/a/SHA256SUMS"),
        ("../SHA256SUMS", "https://example.org/SHA256SUMS"),
        ("https://other.example/sums", "https://other.example/sums"),
    ],
)
def test_checksum_file_url_is_a_link_or_a_name_beside_the_file(checksums: str, where: str) -> None:
    assert checksum_file_url(URL("https://example.org/a/x.img"), checksums) == URL(where)


def test_text_that_is_neither_link_nor_name_raises_usage_error() -> None:
    with pytest.raises(UsageError, match="is neither a link nor a name"):
        checksum_file_url(URL("https://example.org/a/x.img"), "//[:::")


def test_the_first_checksum_file_that_names_the_file_is_used(server: Server) -> None:
    server.files["SHA256SUMS"] = f"{'0' * 64}  other.img\n".encode()
    server.files["x.img.sha256"] = f"{SHA256}  x.img\n".encode()
    found = run_with_session(lambda session: checksum_beside(session, URL(server.url("x.img"))))
    assert found
    assert (found.hex, found.source) == (SHA256, "x.img.sha256")


def test_without_a_checksum_file_there_is_no_checksum(server: Server) -> None:
    assert (
        run_with_session(lambda session: checksum_beside(session, URL(server.url("x.img")))) is None
    )


def test_a_named_checksum_file_must_name_the_file(server: Server) -> None:
    url = URL(server.url("x.img"))
    server.files["sums"] = f"{SHA256}  x.img\n".encode()
    assert run_with_session(lambda session: named_checksum(session, url, "sums")).hex == SHA256
    server.files["sums"] = f"{SHA256}  other.img\n".encode()
    with pytest.raises(LinkError, match=r"does not name x\.img") as caught:
        run_with_session(lambda session: named_checksum(session, url, "sums"))
    assert caught.value.kind == "no-checksum"
    with pytest.raises(LinkError, match="cannot be had") as caught:
        run_with_session(lambda session: named_checksum(session, url, "nowhere"))
    assert caught.value.kind == "no-checksum"
