"""Links to a real server that misbehaves, and the file behind a good link."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.examine.image_report import examine
from harness.image.source import OutOfReachError
from harness.net.http import parse_content_range
from harness.net.link import LinkError, without_password
from harness.net.remote import BUDGET_BYTES, RemoteFile
from harness.provider.profile import load_profile
from tests.server import Server, Sparse, certificate, serving


@pytest.fixture(scope="module")
def qcow2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    raw, image = folder / "disk.raw", folder / "image.qcow2"
    raw.write_bytes(b"not all zeros " * 200_000)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
    return image


@pytest.fixture
def server(qcow2: Path) -> Iterator[Server]:
    with serving({"image.qcow2": qcow2.read_bytes()}) as running:
        yield running


def ids(url: str) -> set[str]:
    found = {row.id for row in examine(url, load_profile("contabo"), inside=False).findings}
    return found - {"url.private-address"}


def fault(url: str, deadline_s: float = 10.0) -> LinkError:
    with pytest.raises(LinkError) as caught, RemoteFile(url, deadline_s):
        pass
    return caught.value


def test_a_good_link_gives_its_bytes(server: Server, qcow2: Path) -> None:
    expected = qcow2.read_bytes()
    with RemoteFile(server.url("image.qcow2")) as source:
        assert source.size_bytes == len(expected)
        assert source.facts.ranges
        for offset, length in ((0, 100), (98_000, 1000), (200_000, 40_000), (len(expected) - 3, 9)):
            assert source.read_at(offset, length) == expected[offset : offset + length]
        assert source.read_at(len(expected), 1) == b""
    assert ids(server.url("image.qcow2")) == set()


def test_a_server_on_a_private_address_is_recorded(server: Server) -> None:
    facts = examine(server.url("image.qcow2"), load_profile("contabo"), inside=False)
    (found,) = facts.findings
    assert found.id == "url.private-address"
    assert "127.0.0.1" in found.statement
    assert facts.passes


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("no-range/image.qcow2", {"url.no-range"}),
        ("no-length/image.qcow2", {"url.no-range", "url.no-length"}),
        ("no-type/image.qcow2", {"url.no-content-type"}),
        ("no-head/image.qcow2", {"url.no-content-type"}),
        ("other-head/image.qcow2", {"url.no-length"}),
        ("away/image.qcow2", set()),
        ("page/image.qcow2", {"url.not-direct"}),
        ("login/image.qcow2", {"url.not-direct"}),
        ("virus/image.qcow2", {"url.not-direct"}),
        ("away-to-login/image.qcow2", {"url.not-direct"}),
        ("forbidden/image.qcow2", {"url.not-direct"}),
        ("unauthorized/image.qcow2", {"url.not-direct"}),
        ("gone/image.qcow2", {"url.unreachable"}),
        ("broken/image.qcow2", {"url.unreachable"}),
        ("no-such-file.qcow2", {"url.unreachable"}),
        ("away-to-ftp/image.qcow2", {"url.unreachable"}),
        ("away-to-file/image.qcow2", {"url.unreachable"}),
        ("circle/image.qcow2", {"url.unreachable"}),
        ("promises-more/image.qcow2", {"url.no-range"}),
        ("other-range/image.qcow2", {"url.unreachable"}),
        ("bad-range/image.qcow2", {"url.unreachable"}),
        ("no-http/image.qcow2", {"url.unreachable"}),
    ],
)
def test_findings_of_a_link(server: Server, path: str, expected: set[str]) -> None:
    assert ids(server.url(path)) == expected


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("login/image.qcow2", "log-in page"),
        ("virus/image.qcow2", "warns of viruses"),
        ("page/image.qcow2", "a web page"),
        ("circle/image.qcow2", "in a circle"),
        ("gone/image.qcow2", "410 Gone"),
        ("away-to-file/image.qcow2", "no http or https link"),
        ("no-http/image.qcow2", "no HTTP"),
    ],
)
def test_a_faulty_link_raises_an_error_that_names_the_fault(
    server: Server, path: str, said: str
) -> None:
    assert said in fault(server.url(path)).what


def test_the_final_address_is_named(server: Server) -> None:
    facts = examine(server.url("away/image.qcow2"), load_profile("contabo"), inside=False)
    assert facts.final_url == server.url("image.qcow2")


def test_a_small_file_with_a_larger_stated_size_is_refused() -> None:
    with serving({"small": b"QFI\xfb and no more"}) as server:
        found = fault(server.url("promises-more/small"))
    assert found.what == "127.0.0.1 promises 1000016 bytes and ends after 16"


@pytest.mark.parametrize("path", ["drip/image.qcow2", "silent/image.qcow2"])
def test_a_slow_server_ends_at_the_deadline(server: Server, path: str) -> None:
    found = fault(server.url(path), deadline_s=1.0)
    assert found.kind == "unreachable"
    assert "too slow" in found.what


def test_an_endless_response_is_left(server: Server) -> None:
    with RemoteFile(server.url("endless/image.qcow2")) as source:
        assert source.facts.size_bytes is None
        assert source.read_at(0, 4) == b"QFI\xfb"
        with pytest.raises(OutOfReachError):
            source.read_at(1 << 30, 10)


def test_an_unknown_host_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    found = fault(f"http://127.0.0.1:{port}/x.iso")
    assert (found.kind, "refused" in found.what) == ("unreachable", True)


@pytest.mark.parametrize(
    ("name", "days", "said"),
    [("127.0.0.1", 30, "self-signed certificate"), ("other.example", -1, "certificate")],
)
def test_tls_errors_name_the_fault(
    tmp_path: Path, qcow2: Path, name: str, days: int, said: str
) -> None:
    context = certificate(tmp_path, name, days=max(days, 1))
    with serving({"image.qcow2": qcow2.read_bytes()}, context) as server:
        found = fault(server.url("image.qcow2", "https"))
    assert found.kind == "tls"
    assert said in found.what


def test_plain_http_behind_https_is_a_fault_of_tls(server: Server) -> None:
    assert fault(server.url("image.qcow2", "https")).kind == "tls"


@pytest.mark.parametrize(
    "url", ["ftp://example.org/x.iso", "file:///etc/passwd", "http:///x", "http://[::1/x"]
)
def test_unusable_links_raise_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        RemoteFile(url)


def test_a_password_is_not_shown() -> None:
    shown = without_password("https://me:secret@example.org/x.iso?token=1")
    assert "secret" not in shown
    assert shown.endswith("@example.org/x.iso?token=1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-99/1234", (0, 99, 1234)),
        ("bytes 5-9/*", (5, 9, None)),
        ("bytes */1234", None),
        ("", None),
        ("bytes 0-99/" + "9" * 40, None),
    ],
)
def test_content_range_is_parsed(text: str, expected: tuple[int, int, int | None] | None) -> None:
    assert parse_content_range(text) == expected


def test_a_large_remote_qcow2_costs_less_than_a_megabyte(tmp_path: Path) -> None:
    image = tmp_path / "large.qcow2"
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata"]
    subprocess.run([*create, image, "25G"], check=True)
    with serving({"large.qcow2": Sparse(image)}) as server:
        facts = examine(server.url("large.qcow2"), load_profile("contabo"), inside=False)
    assert facts.passes
    assert facts.virtual_size_bytes == 25 << 30
    assert facts.file_size_bytes == image.stat().st_size > 25 << 30
    assert facts.bytes_read < 1_000_000


def test_a_truncated_remote_qcow2_is_seen(tmp_path: Path) -> None:
    image = tmp_path / "large.qcow2"
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata"]
    subprocess.run([*create, image, "4G"], check=True)
    with image.open("r+b") as file:
        file.truncate(image.stat().st_size // 2)
    with serving({"large.qcow2": Sparse(image)}) as server:
        facts = examine(server.url("large.qcow2"), load_profile("contabo"), inside=False)
    assert "format.truncated" in {row.id for row in facts.findings}
    assert facts.bytes_read <= BUDGET_BYTES


def test_reads_in_order_are_fetched_ahead_where_the_budget_is_large(
    server: Server, qcow2: Path
) -> None:
    expected = qcow2.read_bytes()
    asked = []
    for budget_bytes in (64 << 20, 7 << 20):
        server.requests.clear()
        with RemoteFile(server.url("image.qcow2"), budget_bytes=budget_bytes) as source:
            for at in range(0, len(expected), 10_000):
                assert source.read_at(at, 10_000) == expected[at : at + 10_000]
            assert source.bytes_read <= len(expected) + 100_000
        asked.append(len(server.requests))
    assert asked[0] * 4 < asked[1]
