"""Downloads from a real server that breaks off, changes files or lies, and the shared cache."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.net.checksums import Checksum
from harness.net.download import ChecksumError, Download, DownloadLimits, cache_root, download
from harness.net.link import LinkError
from tests.server import Server, serving

pytestmark = pytest.mark.programs

_CONTENT = bytes(range(251)) * 8000
_SHA256 = hashlib.sha256(_CONTENT).hexdigest()
_LIMITS = DownloadLimits(max_bytes=1 << 30, stall_s=2.0, retries=2)
# The downloads of a test stay locked until its end.
_lock_files = ExitStack()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with _lock_files:
        yield tmp_path


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"x.img": _CONTENT}) as running:
        yield running


def get(
    url: str, expected: Checksum | str | None = None, limits: DownloadLimits = _LIMITS
) -> Download:
    done = asyncio.run(download(url, limits, lambda *_: None, expected))
    _lock_files.enter_context(done.lock_file)
    return done


def fetched(server: Server) -> list[str]:
    return [span for method, path, span in server.requests if path.endswith("x.img")]


def test_a_file_is_downloaded_once_and_then_cached(server: Server) -> None:
    first = get(server.url("x.img"))
    assert first.path.read_bytes() == _CONTENT
    assert (first.sha256, first.from_cache) == (_SHA256, False)
    again = get(server.url("x.img"))
    assert (again.path, again.from_cache) == (first.path, True)


def test_another_version_on_the_server_is_fetched_again(server: Server) -> None:
    first = get(server.url("x.img"))
    first.lock_file.close()
    server.files["x.img"], server.etag = b"other" * 1000, '"v2"'
    second = get(server.url("x.img"))
    assert second.path.read_bytes() == b"other" * 1000
    assert not first.path.exists()


def test_a_version_that_a_run_locks_is_not_removed(server: Server) -> None:
    first = get(server.url("x.img"))
    server.files["x.img"], server.etag = b"other" * 1000, '"v2"'
    get(server.url("x.img"))
    assert first.path.read_bytes() == _CONTENT


def test_an_interrupted_download_is_resumed(server: Server) -> None:
    server.cuts_left = 3
    done = get(server.url("cut/x.img"))
    assert done.path.read_bytes() == _CONTENT
    starts = [int(span.removeprefix("bytes=").rstrip("-")) for span in fetched(server) if span]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert starts[0] == len(_CONTENT) // 3


def test_a_partial_file_of_an_earlier_run_is_resumed(server: Server) -> None:
    server.cuts_left, server.dead_after_cut = 100, True
    with pytest.raises(LinkError):
        get(server.url("cut/x.img"), limits=DownloadLimits(1 << 30, 2.0, retries=0))
    parts = list(cache_root().glob("*/*.part"))
    assert len(parts) == 1
    assert 0 < parts[0].stat().st_size < len(_CONTENT)
    server.cuts_left, server.dead_after_cut = 0, False
    server.requests.clear()
    assert get(server.url("cut/x.img")).path.read_bytes() == _CONTENT
    assert fetched(server)[0].startswith("bytes=")


def test_a_file_that_changed_is_not_resumed(server: Server) -> None:
    server.cuts_left, server.dead_after_cut = 100, True
    with pytest.raises(LinkError):
        get(server.url("cut/x.img"), limits=DownloadLimits(1 << 30, 2.0, retries=0))
    server.cuts_left, server.dead_after_cut = 0, False
    server.files["x.img"], server.etag = _CONTENT[::-1], '"v2"'
    assert get(server.url("cut/x.img")).path.read_bytes() == _CONTENT[::-1]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("promises-more/x.img", "ends after 2008000"),
        ("drip/x.img", "too slow"),
        ("login/x.img", "log-in page"),
        ("gone/x.img", "410"),
    ],
)
def test_a_bad_server_raises_an_error_that_names_the_fault(
    server: Server, path: str, said: str
) -> None:
    with pytest.raises(LinkError) as caught:
        get(server.url(path))
    assert said in caught.value.what


def test_an_endless_response_is_stopped_at_the_limit(server: Server) -> None:
    with pytest.raises(LinkError) as caught:
        get(server.url("endless/x.img"), limits=DownloadLimits(8 << 20, 5.0, 0))
    assert "no end" in caught.value.what


def test_a_file_without_a_length_is_read_to_its_end(server: Server) -> None:
    assert get(server.url("no-length/x.img")).path.read_bytes() == _CONTENT


def test_a_given_checksum_is_verified(server: Server) -> None:
    given = Checksum("sha256", _SHA256, "--sha256")
    assert get(server.url("x.img"), given).verified_by == "--sha256"
    with pytest.raises(ChecksumError):
        get(server.url("x.img"), Checksum("sha256", "0" * 64))
    assert not list(cache_root().glob("*/image-*"))


def test_a_named_checksum_file_is_used(server: Server) -> None:
    server.files["MY.SUMS"] = sums("x.img", hashlib.sha512(_CONTENT).hexdigest())
    server.files["SHA256SUMS"] = sums("x.img", "0" * 64)  # is not fetched
    assert get(server.url("x.img"), "MY.SUMS").verified_by == "MY.SUMS"
    assert get(server.url("x.img"), server.url("dir/MY.SUMS")).verified_by == "MY.SUMS"
    server.files["MY.SUMS"] = sums("x.img", "0" * 128)
    with pytest.raises(ChecksumError) as caught:
        get(server.url("x.img"), "MY.SUMS")
    assert caught.value.source == "MY.SUMS"


@pytest.mark.parametrize(
    ("name", "said"),
    [("MISSING", "404"), ("login/x.img", "log-in page"), ("OTHER", "does not name x.img")],
)
def test_a_named_checksum_file_without_the_file_ends_it_before_the_download(
    server: Server, name: str, said: str
) -> None:
    server.files["OTHER"] = sums("y.img", _SHA256)
    with pytest.raises(LinkError) as caught:
        get(server.url("x.img"), name)
    assert said in caught.value.what
    assert caught.value.kind == "no-checksum"
    assert "/x.img" not in [path for _, path, _ in server.requests]


def test_a_checksum_file_is_beside_the_link_that_was_given(server: Server) -> None:
    server.files["image.qcow2"] = _CONTENT
    server.files["SUMS"] = sums("image.qcow2", _SHA256)
    assert get(server.url("away/image.qcow2"), server.url("SUMS")).verified_by == "SUMS"
    with pytest.raises(LinkError):
        get(server.url("page/image.qcow2"), "SUMS")


def sums(name: str, digest: str) -> bytes:
    return f"{'1' * len(digest)}  other.img\n{digest} *./{name}\n".encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("SHA256SUMS", sums("x.img", _SHA256)),
        ("x.img.sha256", _SHA256.encode()),
        ("SHA512SUMS", sums("x.img", hashlib.sha512(_CONTENT).hexdigest())),
        ("x.img.sha512", hashlib.sha512(_CONTENT).hexdigest().encode()),
        ("CHECKSUM", f"SHA256 (x.img) = {_SHA256}\n".encode()),
        ("x.img.CHECKSUM", f"SHA256 (x.img) = {_SHA256}\n".encode()),
        ("x.img.SHA256SUM", f"SHA256 (x.img) = {_SHA256}\n".encode()),
        ("x.img.SHA256", sums("x.img", _SHA256)),
    ],
)
def test_a_checksum_file_beside_the_file_is_used(server: Server, name: str, content: bytes) -> None:
    server.files[name] = content
    assert get(server.url("x.img")).verified_by == name
    server.files["x.img"], server.etag = b"tampered", '"v2"'
    with pytest.raises(ChecksumError) as caught:
        get(server.url("x.img"))
    assert caught.value.source == name


def test_a_checksum_file_without_the_file_verifies_nothing(server: Server) -> None:
    server.files["SHA256SUMS"] = server.files["x.img.sha256"] = b"0" * 64 + b"  other.img\n"
    assert get(server.url("x.img")).verified_by == ""


def test_a_full_disk_is_a_host_error(server: Server) -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 1 << 60

    server.files["x.img"] = Huge(b"x")
    with pytest.raises(HostError) as caught:
        get(server.url("x.img"))
    assert caught.value.finding_id == "host.no-space"


_CHILD = """
import asyncio, sys
from harness.net.checksums import Checksum
from harness.net.download import DownloadLimits, download
done = asyncio.run(download(sys.argv[1], DownloadLimits(1 << 30), lambda *_: None))
print(done.sha256, done.from_cache)
"""


def test_parallel_runs_fetch_once(server: Server, cache: Path) -> None:
    words = [sys.executable, "-c", _CHILD, server.url("slow/x.img")]
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    children = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env) for _ in range(3)
    ]
    said = sorted(child.communicate()[0].strip() for child in children)
    assert said == [f"{_SHA256} False", f"{_SHA256} True", f"{_SHA256} True"]


def test_a_killed_run_leaves_no_lock(server: Server, cache: Path) -> None:
    words = [sys.executable, "-c", _CHILD, server.url("drip/x.img")]
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    child = subprocess.Popen(words, env=env)
    while not list(cache_root().glob("*/*.part")):
        assert child.poll() is None
    child.kill()
    child.wait()
    with pytest.raises(LinkError):  # rather than an endless wait
        get(server.url("drip/x.img"))
