"""The server from outside: nobody gets in who was not let in, and who looks does nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.console.web.stand_in import Console, console

SOCKETS = ["/ws/serial", "/ws/vnc", "/ws/events"]
PAGES = ["/static/page.js", "/static/index.html", "/static/bundle/xterm.js", "/do", *SOCKETS]
HELLO = b"RFB 003.008\n\x01\x00"
KEY = struct.pack(">BBxxI", 4, 1, 0x61)
REQUEST = struct.pack(">BBHHHH", 3, 0, 0, 0, 64, 48)


class Browser:
    """A browser as far as this matters: it keeps a cookie and says where its pages are from."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": f"http://{self.host}"}

    async def enter(self, link: str) -> int:
        token = link.partition("#")[2]
        async with self.http.post(
            self.url("/enter"), json={"token": token}, headers=self.origin
        ) as r:
            return r.status

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.http.get(self.url(path), headers=headers) as answer:
            return answer.status, await answer.text()

    async def do(self, name: str, **arguments: str) -> tuple[int, str]:
        asked = {"name": name, "arguments": arguments}
        async with self.http.post(self.url("/do"), json=asked, headers=self.origin) as answer:
            return answer.status, (await answer.json())["said"]

    async def socket(self, path: str, **headers: str) -> aiohttp.ClientWebSocketResponse:
        return await self.http.ws_connect(self.url(path), headers=headers or self.origin)

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"


def with_console(folder: Path, work: Callable[[Console, list[Browser]], Awaitable[None]]) -> None:
    """Run ``work`` with a console and two browsers that are not in yet."""

    async def run() -> None:
        async with asyncio.timeout(60), console(folder) as here:
            browsers = [Browser(here.served.host) for _ in range(2)]
            try:
                await work(here, browsers)
            finally:
                for browser in browsers:
                    await browser.http.close()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  what is waited for is of another program
        await asyncio.sleep(0.01)


async def refused(browser: Browser, path: str, **headers: str) -> int:
    """The status with which a websocket is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await browser.socket(path, **headers)
    return refusal.value.status


def test_only_the_door_is_served_without_a_cookie(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        for path in PAGES:
            assert (await browser.get(path, **browser.origin))[0] == 401, path
        for path in SOCKETS:
            assert await refused(browser, path) == 401
        async with browser.http.post(browser.url("/do"), json={}, headers=browser.origin) as answer:
            assert answer.status == 401
        status, door = await browser.get("/")
        assert status == 401
        assert "door.js" in door
        assert "page.js" not in door
        assert not here.served.access.viewers

    with_console(tmp_path, work)


def test_link_admits_one_browser_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    async def work(here: Console, browsers: list[Browser]) -> None:
        first, second = browsers
        link = here.served.new_link()
        assert await first.enter("http://h/#wrong") == 403
        assert await first.enter("http://h/") == 403
        assert await first.enter(link) == 204
        assert await second.enter(link) == 403
        assert (await first.get("/"))[0] == 200
        assert (await second.get("/"))[0] == 401
        (cookie,) = list(first.http.cookie_jar)
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert cookie["path"] == "/"
        assert first.host.rpartition(":")[2] in cookie.key
        for secret in (link.rpartition("#")[2], cookie.value):
            assert secret not in caplog.text

    with_console(tmp_path, work)


def test_wrong_cookie_is_no_session(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())
        (cookie,) = list(browser.http.cookie_jar)
        wrong = f"{cookie.key}={cookie.value[:-1]}_"
        assert (await browsers[1].get("/static/page.js", Cookie=wrong))[0] == 401
        right = f"{cookie.key}={cookie.value}"
        assert (await browsers[1].get("/static/page.js", Cookie=right))[0] == 200

    with_console(tmp_path, work)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", ""])
def test_foreign_origin_is_refused(tmp_path: Path, origin: str) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())
        for path in SOCKETS:
            assert await refused(browser, path, Origin=origin) == 403
        asked = {"name": "reset", "arguments": {}}
        headers = {"Origin": origin}
        async with browser.http.post(browser.url("/do"), json=asked, headers=headers) as answer:
            assert answer.status == 403
        async with browser.http.post(browser.url("/do"), json=asked) as answer:
            assert answer.status == 403, "no origin at all"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await browser.http.ws_connect(browser.url("/ws/serial"))
        assert here.guest.done == []
        link = here.served.new_link()
        token = {"token": link.partition("#")[2]}
        async with browser.http.post(browser.url("/enter"), json=token, headers=headers) as answer:
            assert answer.status == 403
        assert await browsers[1].enter(link) == 204, "and the link is not used up"

    with_console(tmp_path, work)


@pytest.mark.parametrize("name", ["evil.example", "localhost", "127.0.0.1.evil.example"])
def test_foreign_host_name_is_refused(tmp_path: Path, name: str) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())
        port = here.served.host.rpartition(":")[2]
        host = f"{name}:{port}"
        for path in ["/", "/door.js", *PAGES]:
            status, _ = await browser.get(path, Host=host, Origin=f"http://{host}")
            assert status == 403, path
        assert await refused(browser, "/ws/serial", Host=host, Origin=f"http://{host}") == 403

    with_console(tmp_path, work)


def test_every_response_has_the_security_headers(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())
        for path in ["/", "/static/page.css", "/static/none", "/nowhere"]:
            async with browser.http.get(browser.url(path)) as answer:
                said = answer.headers
                policy = said["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
                assert "unsafe" not in policy
                assert said["X-Content-Type-Options"] == "nosniff"
                assert said["Referrer-Policy"] == "no-referrer"
                assert said["Cache-Control"] == "no-store"
        serial = await browser.socket("/ws/serial")
        assert serial._response.headers["Cache-Control"] == "no-store"

    with_console(tmp_path, work)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/bundle/../../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static/%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/bundle",
        "/static/page.js%00.css",
    ],
)
def test_no_path_leads_out_of_the_files(tmp_path: Path, path: str) -> None:
    """Asked byte by byte: a client of HTTP would tidy the path up."""

    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())
        (cookie,) = list(browser.http.cookie_jar)
        address, _, port = here.served.host.rpartition(":")
        reader, writer = await asyncio.open_connection(address, int(port))
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {here.served.host}\r\n"
            f"Cookie: {cookie.key}={cookie.value}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
        assert answer.split()[1] in (b"400", b"404")
        assert b"root:" not in answer
        assert b"import" not in answer

    with_console(tmp_path, work)


def test_viewer_can_do_nothing_before_taking_over(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        first, second = browsers
        await first.enter(here.served.new_link())
        status, link = await first.do("invite")
        assert status == 200
        assert await second.enter(link) == 204
        lines = [await browser.socket("/ws/serial") for browser in browsers]
        screens = [await browser.socket("/ws/vnc") for browser in browsers]

        async def both_type() -> None:
            for line, screen, key in zip(lines, screens, (b"1", b"2"), strict=True):
                await line.send_bytes(key)
                await screen.send_bytes(KEY + REQUEST)
            await until(lambda: len(here.guest.heard(3)) % 2 == 0 and len(here.guest.typed) > 0)

        for screen in screens:
            await screen.send_bytes(HELLO)
        await both_type()
        await until(lambda: len(here.guest.heard(3)) == 2)
        assert here.guest.typed == b"1"
        assert len(here.guest.heard(4)) == 1
        assert await second.do("reset") == (409, "Somebody else types: take over first.")
        assert await second.do("invite") == (409, "Somebody else types: take over first.")
        assert (await second.do("take-over"))[0] == 200
        assert await second.do("reset") == (200, "reset is done.")
        assert (await first.do("reset"))[0] == 409
        await both_type()
        await until(lambda: len(here.guest.heard(3)) == 4)
        await until(lambda: len(here.guest.typed) == 2)
        assert here.guest.typed == b"12"
        assert len(here.guest.heard(4)) == 2
        assert here.guest.done == [("reset", {})]

    with_console(tmp_path, work)


def test_everybody_sees_who_types(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        for browser in browsers:
            await browser.enter(here.served.new_link())
        told = [await browser.socket("/ws/events") for browser in browsers]
        abouts = [await events.receive_json() for events in told]
        assert [about["you"] for about in abouts] == ["viewer 1", "viewer 2"]
        assert abouts[0]["actions"][0]["name"] == "reset"

        async def typist(events: aiohttp.ClientWebSocketResponse, name: str) -> dict[str, Any]:
            while (row := await events.receive_json())["typist"] != name or len(row["viewers"]) < 2:
                pass
            return row

        for events in told:
            await typist(events, "viewer 1")
        await browsers[1].do("take-over")
        for events in told:
            assert (await typist(events, "viewer 2"))["viewers"] == ["viewer 1", "viewer 2"]

    with_console(tmp_path, work)


def test_request_body_is_validated(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())
        assert await browser.do("no-such") == (409, "There is no action 'no-such'.")
        assert await browser.do("send-key", keys="f1") == (200, "send-key is done.")
        status, said = await browser.do("refused")
        assert (status, "\x1b" in said) == (409, False)
        for body in (b"", b"[]", b"\xff", b'{"name": 1}', b'{"name": "reset", "more": 1}'):
            async with browser.http.post(
                browser.url("/do"), data=body, headers=browser.origin
            ) as answer:
                assert answer.status == 400, body
        async with browser.http.post(
            browser.url("/do"), data=b"x" * (1 << 20), headers=browser.origin
        ) as answer:
            assert answer.status == 413
        assert here.guest.done == [("send-key", {"keys": "f1"})]

    with_console(tmp_path, work)


def test_serial_socket_sends_past_bytes_first(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())
        await here.guest.say(b"before \xff\n")
        line = await browser.socket("/ws/serial")
        await here.guest.say(b"after\n")
        said = b""
        while not said.endswith(b"after\n"):
            said += await line.receive_bytes()
        assert said == b"before \xff\nafter\n"

    with_console(tmp_path, work)


def test_a_slow_viewer_is_dropped_and_nobody_waits_for_it(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        slow, quick = browsers
        for browser in browsers:
            await browser.enter(here.served.new_link())
        line = await quick.socket("/ws/serial")
        mute = await stalled(slow, here.served.host)
        await until(lambda: here.served.access.viewers[0].sockets == 1)
        total = 0
        for _ in range(64):
            await here.guest.say(bytes(1 << 20))
            total += 1 << 20
            while total:
                total -= len(await line.receive_bytes())
        await until(lambda: here.served.access.viewers[0].sockets == 0)
        assert here.served.access.viewers[1].sockets == 1
        mute.close()

    with_console(tmp_path, work)


async def stalled(browser: Browser, host: str) -> socket.socket:
    """A websocket of the serial line whose browser reads nothing of it."""
    (cookie,) = list(browser.http.cookie_jar)
    address, _, port = host.rpartition(":")
    mute = socket.create_connection((address, int(port)))
    mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    mute.sendall(
        f"GET /ws/serial HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
        f"Cookie: {cookie.key}={cookie.value}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    return mute


def test_invalid_rfb_closes_the_screen(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())
        screen = await browser.socket("/ws/vnc")
        await screen.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
        while (await screen.receive()).type != aiohttp.WSMsgType.CLOSE:
            pass
        assert screen.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION

    with_console(tmp_path, work)


def test_machine_without_screen_has_serial_and_events(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())
        here.guest.vnc_socket = None
        screen = await browser.socket("/ws/vnc")
        assert (await screen.receive()).type == aiohttp.WSMsgType.CLOSE
        assert (await browser.get("/"))[0] == 200

    with_console(tmp_path, work)


def test_qmp_is_for_the_first_viewer_only(tmp_path: Path) -> None:
    async def work(here: Console, browsers: list[Browser]) -> None:
        first, second = browsers
        for browser in browsers:
            await browser.enter(here.served.new_link())
        await second.do("take-over")
        status, said = await second.do("qmp", text="query-status")
        assert (status, "came in first" in said) == (409, True)
        await first.do("take-over")
        assert await first.do("qmp", text="query-status") == (200, "qmp is done.")

    with_console(tmp_path, work)


def test_a_bug_is_one_sentence_and_the_console_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    caplog.set_level("DEBUG", "harness")

    async def work(here: Console, browsers: list[Browser]) -> None:
        browser = browsers[0]
        await browser.enter(here.served.new_link())

        async def broken(name: str, **_: str) -> str:
            raise ZeroDivisionError(f"a bug in {name}")

        does = here.guest.do
        monkeypatch.setattr(here.guest, "do", broken)
        status, said = await browser.do("reset")
        assert status == 500
        assert "Internal error: ZeroDivisionError in harness/console/web/" in said
        assert "Traceback" not in said
        monkeypatch.setattr(here.guest, "do", does)
        assert (await browser.do("reset"))[0] == 200

        def mute(typed: bytes) -> None:
            raise ZeroDivisionError("a bug in typing")

        monkeypatch.setattr(here.guest, "type", mute)
        socket = await browser.socket("/ws/serial")
        await socket.send_bytes(b"x")
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.BINARY
        assert socket.close_code == aiohttp.WSCloseCode.INTERNAL_ERROR
        assert (await browser.do("reset"))[0] == 200

    with_console(tmp_path, work)
    assert "a bug in reset" in caplog.text
