"""A web server on loopback that behaves well or badly, by the path that is asked for."""

from __future__ import annotations

import re
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_LOGIN = b'<html><title>Sign in</title><form><input type="password"></form></html>'
_VIRUS = b"<html><title>Google Drive - Virus scan warning</title>too large to scan</html>"
_PAGE = b"<!DOCTYPE html><title>Files</title><body>nothing here</body>"


class Server(ThreadingHTTPServer):
    """Serves ``files`` (name to content) under /NAME, and under /BEHAVIOUR/NAME in a bad way."""

    daemon_threads = True

    def __init__(self, files: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.requests: list[tuple[str, str, str]] = []
        self.cuts_left = 0
        self.dead_after_cut = False
        self.etag = '"v1"'
        self.stopped = threading.Event()

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves early is expected here."""


class _Handler(BaseHTTPRequestHandler):
    # As servers do: without it, a head and a body in two packets wait for each other.
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.server.requests.append((self.command, self.path, self.headers.get("Range", "")))
        behaviour, _, name = self.path.strip("/").rpartition("/")
        name = name.split("?")[0]
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        _BEHAVIOURS[behaviour](self, content)

    def answer(
        self, status: int, body: bytes = b"", length: int | None = None, **headers: str
    ) -> None:
        """A whole answer; ``length`` is what is said of the body, its own where None."""
        self.send_response(status)
        headers.setdefault("Content_Type", "application/octet-stream")
        for key, value in headers.items():
            if value:
                self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def span(self, size: int) -> tuple[int, int] | None:
        """The range that is asked for, as a slice; None without one, or where If-Range fails."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not match or (condition and condition != self.server.etag):
            return None
        return int(match[1]), min(size, int(match[2]) + 1) if match[2] else size


class Sparse:
    """A large file of which only some stretches are not zero."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        with self._path.open("rb") as file:
            file.seek(part.start)
            return file.read(part.stop - part.start)


def _good(handler: _Handler, content: Any) -> None:
    span = handler.span(len(content))
    etag = handler.server.etag
    if span is None:
        body = content if isinstance(content, bytes) else b""
        handler.answer(200, body, len(content), ETag=etag, Accept_Ranges="bytes")
        return
    start, end = span
    if start >= len(content):
        handler.answer(416, Content_Range=f"bytes */{len(content)}")
        return
    handler.answer(
        206,
        content[start:end],
        Content_Range=f"bytes {start}-{end - 1}/{len(content)}",
        ETag=etag,
    )


def _no_range(handler: _Handler, content: bytes) -> None:
    handler.answer(200, content)


def _no_length(handler: _Handler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    if handler.command == "GET":
        handler.wfile.write(content)
    handler.close_connection = True


def _page(body: bytes) -> Callable[[_Handler, bytes], None]:
    def serve(handler: _Handler, _: bytes) -> None:
        handler.answer(200, body, Content_Type="text/html; charset=utf-8")

    return serve


def _status(status: int) -> Callable[[_Handler, bytes], None]:
    return lambda handler, _: handler.answer(status, b"no")


def _redirect(to: str) -> Callable[[_Handler, bytes], None]:
    return lambda handler, _: handler.answer(302, Location=to)


def _no_type(handler: _Handler, content: bytes) -> None:
    if handler.command == "HEAD":
        handler.answer(200, b"", len(content), Content_Type="")
    else:
        _good(handler, content)


def _no_head(handler: _Handler, content: bytes) -> None:
    if handler.command == "HEAD":
        handler.answer(405)
    else:
        _good(handler, content)


def _other_head(handler: _Handler, content: bytes) -> None:
    if handler.command == "HEAD":
        handler.answer(200, b"", 12345)
    else:
        _good(handler, content)


def _promises_more(handler: _Handler, content: bytes) -> None:
    handler.answer(200, content, len(content) + 1_000_000)
    handler.close_connection = True


def _other_range(handler: _Handler, content: bytes) -> None:
    handler.answer(206, content[7:100], Content_Range=f"bytes 7-99/{len(content)}")


def _bad_range(handler: _Handler, content: bytes) -> None:
    handler.answer(206, content[:100], Content_Range="bytes of some kind")


def _silent(handler: _Handler, _: bytes) -> None:
    handler.server.stopped.wait(60)


def _drip(handler: _Handler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    if handler.command == "GET":
        for at in range(len(content)):
            handler.wfile.write(content[at : at + 1])
            if handler.server.stopped.wait(0.2):
                return


def _endless(handler: _Handler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    if handler.command == "GET":
        handler.wfile.write(content)
        while not handler.server.stopped.is_set():
            handler.wfile.write(bytes(1 << 16))


def _no_http(handler: _Handler, _: bytes) -> None:
    handler.wfile.write(b"220 ftp.example ready\r\n")
    handler.close_connection = True


def _cut(handler: _Handler, content: bytes) -> None:
    """A part of what is asked for, then the end, as often as ``cuts_left`` says."""
    span = handler.span(len(content))
    if handler.server.cuts_left <= 0 or handler.command == "HEAD" or span is None:
        if handler.command == "GET" and handler.server.cuts_left > 0:
            handler.server.cuts_left -= 1
            part = content[: len(content) // 3]
            handler.answer(200, part, len(content), ETag=handler.server.etag)
            handler.close_connection = True
            return
        _good(handler, content)
        return
    start, end = span
    if handler.server.dead_after_cut:
        handler.answer(503)
        return
    if end - start <= 1 << 17:
        _good(handler, content)  # the static check is served whole
        return
    handler.server.cuts_left -= 1
    part = content[start : start + (end - start) // 3]
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
    handler.send_header("Content-Length", str(end - start))
    handler.send_header("ETag", handler.server.etag)
    handler.end_headers()
    handler.wfile.write(part)
    handler.close_connection = True


def _slow(handler: _Handler, content: bytes) -> None:
    """The whole in ten pieces, a tenth of a second apart."""
    span = handler.span(len(content))
    if span or handler.command == "HEAD":
        _good(handler, content)
        return
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.send_header("ETag", handler.server.etag)
    handler.end_headers()
    step = len(content) // 10 + 1
    for at in range(0, len(content), step):
        handler.wfile.write(content[at : at + step])
        time.sleep(0.1)


_BEHAVIOURS: dict[str, Callable[[_Handler, Any], None]] = {
    "": _good,
    "dir": _good,
    "no-range": _no_range,
    "no-length": _no_length,
    "page": _page(_PAGE),
    "login": _page(_LOGIN),
    "virus": _page(_VIRUS),
    "forbidden": _status(403),
    "unauthorized": _status(401),
    "gone": _status(410),
    "broken": _status(500),
    "away": _redirect("/image.qcow2"),
    "away-to-login": _redirect("/login/image.qcow2"),
    "away-to-ftp": _redirect("ftp://127.0.0.1/image.qcow2"),
    "away-to-file": _redirect("file:///etc/passwd"),
    "circle": _redirect("/circle/image.qcow2"),
    "no-type": _no_type,
    "no-head": _no_head,
    "other-head": _other_head,
    "promises-more": _promises_more,
    "other-range": _other_range,
    "bad-range": _bad_range,
    "silent": _silent,
    "drip": _drip,
    "endless": _endless,
    "no-http": _no_http,
    "cut": _cut,
    "slow": _slow,
}


@contextmanager
def serving(files: dict[str, Any], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that is up while the block runs."""
    server = Server(files)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path, name: str, *, days: int) -> ssl.SSLContext:
    """A server's context with a certificate that it signed itself."""
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-keyout", key, "-out", cert, "-days", str(days), "-subj", f"/CN={name}"]
    words += ["-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
