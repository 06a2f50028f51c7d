"""Links of a catalog, looked up at a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from harness.errors import UsageError
from harness.matrix.catalog import CatalogEntry
from harness.matrix.image_link import ImageLink, resolve
from harness.net.checksums import Checksum
from harness.net.link import LinkError
from tests.server import Server, serving

A, B = "0a" * 32, "1b" * 32
A512 = "0a" * 64


@pytest.fixture
def server() -> Iterator[Server]:
    lists = {
        "SHA256SUMS": f"{B}  debian-13.9.0.iso\n{A} *./debian-13.10.0.iso\n{B}  x y.img\n".encode(),
        "SHA512SUMS": f"SHA512 (debian-13.10.0.iso) = {A512}\r\n".encode(),
        "x.img.sha256": A.encode(),
    }
    with serving(lists) as running:
        yield running


def source(url: str, checksums: str | None = None, sha256: str | None = None) -> ImageLink:
    return asyncio.run(resolve(CatalogEntry(name="x", url=url, checksums=checksums, sha256=sha256)))


def test_a_wildcard_is_the_newest_file_that_its_list_names(server: Server) -> None:
    found = source(server.url("dir/debian-*.iso"), server.url("SHA256SUMS"))
    expected = server.url("dir/debian-13.10.0.iso")
    assert found == ImageLink(expected, Checksum("sha256", A, "SHA256SUMS"))
    assert [path for _, path, _ in server.requests] == ["/SHA256SUMS"]


def test_a_checksum_file_beside_the_image(server: Server) -> None:
    found = source(server.url("debian-*.iso"), "SHA512SUMS")
    assert found.checksum == Checksum("sha512", A512, "SHA512SUMS")
    named = source(server.url("debian-13.9.0.iso"), "SHA256SUMS")
    assert named == ImageLink(server.url("debian-13.9.0.iso"), Checksum("sha256", B, "SHA256SUMS"))


def test_a_name_of_a_list_is_quoted_in_the_link_and_its_query_kept(server: Server) -> None:
    found = source(server.url("x*.img?key=a*b"), server.url("SHA256SUMS"))
    assert found.url == server.url("x%20y.img?key=a*b")


def test_a_checksum_file_behind_a_redirect(server: Server) -> None:
    server.files["image.qcow2"], server.files["y.img"] = f"{A}  y.img\n".encode(), b""
    assert source(server.url("y.img"), server.url("away/y.img")).checksum is not None


def test_without_a_checksum_file_nothing_is_fetched(server: Server) -> None:
    assert source(server.url("x.img")) == ImageLink(server.url("x.img"), None)
    given = source(server.url("x.img"), "SHA256SUMS", B)
    assert given.checksum == Checksum("sha256", B, "the catalog")
    assert server.requests == []


@pytest.mark.parametrize(
    ("url", "checksums", "said"),
    [
        ("x.img", "MISSING", "cannot be had: the server answers 404"),
        ("x.img", "login/SHA256SUMS", "cannot be had: the link leads to a log-in page"),
        ("x.img", "forbidden/SHA256SUMS", "cannot be had: the server wants a log-in: 403"),
        ("x.img", "SHA256SUMS", "SHA256SUMS does not name x.img"),
        ("ubuntu-*.iso", "SHA256SUMS", "SHA256SUMS names nothing like ubuntu-*.iso"),
        ("x-*.img", "x.img.sha256", "x.img.sha256 names nothing like x-*.img"),
    ],
)
def test_a_checksum_file_that_cannot_be_fetched_is_an_error(
    server: Server, url: str, checksums: str, said: str
) -> None:
    with pytest.raises(LinkError) as caught:
        source(server.url(url), server.url(checksums))
    assert said in caught.value.what
    assert caught.value.kind == "no-checksum"


def test_a_server_that_breaks_off_is_asked_again(server: Server) -> None:
    with pytest.raises(LinkError) as caught:
        source(server.url("x.img"), server.url("broken/SHA256SUMS"))
    assert "500" in caught.value.what
    assert len(server.requests) == 3


def test_a_checksum_file_with_another_scheme_is_refused(server: Server) -> None:
    with pytest.raises(UsageError, match="only http and https"):
        source(server.url("x.img"), "ftp://127.0.0.1/SHA256SUMS")


def test_an_entry_without_a_url_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="is no link"):
        asyncio.run(resolve(CatalogEntry(name="x", file="x.img")))
