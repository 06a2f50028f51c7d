"""The package archive behind the receiver: real files of a real server, and nothing beside them."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from harness.evidence.log import EvidenceLog, Observation
from harness.observe.archive import ArchiveRequest, archive_request
from harness.observe.receiver import observe_receiver

LARGE = bytes(range(256)) * 4096


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """The address of a server of one folder; what lies beside that is none of the guest's."""
    folder = tmp_path / "debian"
    (folder / "dists").mkdir(parents=True)
    (folder / "dists" / "Release").write_text("Suite: stable\n")
    (folder / "large").write_bytes(LARGE)
    (tmp_path / "secret").write_text("no")
    with _serving(tmp_path) as port:
        yield f"http://127.0.0.1:{port}/debian"


@contextmanager
def _serving(folder: Path) -> Iterator[int]:
    handler = partial(_Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(tmp_path: Path, archive: str | None, *requests: str) -> tuple[bytes, list[Observation]]:
    """What comes back for ``requests`` on one stream, as the machine's forward joins them."""
    rows: list[Observation] = []

    async def run() -> bytes:
        socket = tmp_path / "receiver.sock"
        with EvidenceLog(tmp_path / "evidence.jsonl") as log:
            log.subscribe(rows.append)
            async with observe_receiver(log, socket, archive):
                reader, writer = await asyncio.open_unix_connection(socket)
                for request in requests:
                    writer.write(f"{request} HTTP/1.1\r\nHost: 203.0.113.2\r\n\r\n".encode())
                writer.write_eof()
                answer = await reader.read()
                writer.close()
                return answer

    return asyncio.run(run()), rows


def test_files_come_whole_and_in_order(tmp_path: Path, archive: str) -> None:
    requests = ("GET /archive/dists/Release", "GET /archive/large", "HEAD /archive/large")
    answer, rows = ask(tmp_path, archive, *requests)
    head = f"Content-Length: {len(LARGE)}\r\n"
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert b"\r\n\r\nSuite: stable\nHTTP/1.1 200" in answer
    assert LARGE in answer
    assert answer.count(head.encode()) == 2
    assert [(row.event.path, row.event.status) for row in rows] == [
        ("dists/Release", 200),
        ("large", 200),
        ("large", 200),
    ]


def test_what_the_archive_has_not_is_not_found(tmp_path: Path, archive: str) -> None:
    answer, rows = ask(tmp_path, archive, "GET /archive/pool/nothing.deb")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"Content-Length: 0\r\n" in answer
    assert rows[0].event.status == 404


@pytest.mark.parametrize(
    "target",
    ["/archive/../secret", "/archive/%2e%2e/secret", "/archive/dists/../../secret", "/secret"],
)
def test_no_path_leads_out_of_the_archive(tmp_path: Path, archive: str, target: str) -> None:
    answer, _ = ask(tmp_path, archive, f"GET {target}")
    assert b"no" not in answer.partition(b"\r\n\r\n")[2].replace(b"ok\n", b"")


def test_without_an_archive_every_request_is_a_call(tmp_path: Path) -> None:
    answer, rows = ask(tmp_path, None, "GET /archive/dists/Release")
    assert answer.endswith(b"ok\n")
    assert [row.event.kind for row in rows] == ["call"]


def test_an_archive_that_is_not_there_is_a_fault_of_this_host(tmp_path: Path) -> None:
    _, rows = ask(tmp_path, "http://127.0.0.1:9/debian", "GET /archive/dists/Release")
    (fault,) = [row for row in rows if row.event.kind == "fault"]
    assert fault.event.finding == "host.archive-unreachable"
    assert "http://127.0.0.1:9/debian/dists/Release" in fault.event.statement


def test_only_reading_is_asked_of_an_archive() -> None:
    assert archive_request("GET", "/archive/a/b?x=1") == ArchiveRequest("GET", "a/b")
    assert archive_request("GET", "//archive//a") == ArchiveRequest("GET", "a")
    assert archive_request("POST", "/archive/a") is None
    assert archive_request("GET", "/archive") is None
    assert archive_request("GET", "/0123/phone-home") is None
