"""A machine that is none, over real sockets: what it is told is kept, and its screen is RFB."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.console.web.page_server import PageServer, serving
from harness.errors import UsageError
from harness.evidence.log import Observation
from harness.model.stages import DISK_LADDER

WIDTH, HEIGHT = 64, 48


@dataclass
class Sketch:
    """A view that shows what a test puts into it."""

    shown: dict[str, Any] = field(default_factory=dict)

    def snapshot(self) -> dict[str, Any]:
        return self.shown


class StandIn:
    """A machine as the page needs one."""

    def __init__(self, vnc_socket: Path | None, shown: dict[str, Any] | None = None) -> None:
        self.vnc_socket = vnc_socket
        self.view = Sketch(shown or {})
        self.typed = b""
        self.done: list[tuple[str, dict[str, str]]] = []
        self.screen_heard: list[bytes] = []
        self._said = bytearray()
        self._serial: list[Callable[[bytes], None]] = []
        self._watchers: list[Callable[[Observation], None]] = []

    def watch(self, callback: Callable[[Observation], None]) -> Callable[[], None]:
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def watch_serial(self, callback: Callable[[bytes], None]) -> Callable[[], None]:
        callback(bytes(self._said))
        self._serial.append(callback)
        return lambda: self._serial.remove(callback)

    def type(self, typed: bytes) -> None:
        self.typed += typed

    async def do(self, name: str, **arguments: str) -> str:
        if name == "refused":
            raise UsageError("QEMU refuses \x1b]0;owned\x07 it.")
        self.done.append((name, arguments))
        return f"{name} is done."

    async def say(self, said: bytes) -> None:
        """Say it over the serial line."""
        self._said += said
        for callback in list(self._serial):
            callback(said)

    async def serve_screen(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """A screen of one colour, which changes with each picture that is asked for."""
        try:
            writer.write(b"RFB 003.008\n")
            await reader.readexactly(12)
            writer.write(b"\x01\x01")
            await reader.readexactly(1)
            writer.write(bytes(4))
            await reader.readexactly(1)
            pixel_format = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
            writer.write(struct.pack(">HH", WIDTH, HEIGHT) + pixel_format)
            writer.write(struct.pack(">I", 4) + b"none")
            await self._pictures(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _pictures(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sizes = {0: 20, 3: 10, 4: 8, 5: 6}
        number = 0
        while True:
            kind = await reader.readexactly(1)
            if kind == b"\x02":
                head = await reader.readexactly(3)
                await reader.readexactly(4 * int.from_bytes(head[1:]))
                continue
            rest = await reader.readexactly(sizes[kind[0]] - 1 if kind[0] in sizes else 0)
            self.screen_heard.append(kind + rest)
            if kind == b"\x03":
                number += 1
                await asyncio.sleep(0.05)
                pixels = bytes([number % 256, 80, 160, 0]) * (WIDTH * HEIGHT)
                head = struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0)
                writer.write(head + pixels)
                await writer.drain()

    def heard(self, kind: int) -> list[bytes]:
        """The messages of this kind that came to the screen."""
        return [message for message in self.screen_heard if message[0] == kind]


ACTIONS: tuple[dict[str, Any], ...] = (
    {"name": "reset", "label": "Reset", "arguments": [], "choices": []},
    {"name": "qmp", "label": "QMP", "arguments": [{"name": "text", "example": ""}], "choices": []},
    {"name": "refused", "label": "Refused", "arguments": [], "choices": []},
    {
        "name": "send-key",
        "label": "Send key",
        "arguments": [{"name": "keys", "example": "ctrl-alt-f2"}],
        "choices": [],
    },
)


@dataclass(frozen=True)
class Console:
    guest: StandIn
    served: PageServer


@asynccontextmanager
async def console(folder: Path, shown: dict[str, Any] | None = None) -> AsyncIterator[Console]:
    """A console of a stand-in, served on this machine."""
    socket = folder / "vnc.sock"
    guest = StandIn(socket, shown)
    async with (
        await asyncio.start_unix_server(guest.serve_screen, socket),
        serving(guest, ACTIONS) as served,
    ):
        yield Console(guest, served)


_REACHED = {"power-on": 0.0, "firmware": 0.4, "bootloader": 2.1, "kernel": 5.9}
SHOWN: dict[str, Any] = {
    "image": "/images/sample.qcow2",
    "state": "running",
    "now_s": 9.3,
    "boots": [{"title": "", "outcome": None, "cause": None}],
    "stage": "kernel",
    "screen": {"lines": [], "at_s": None},
    "ladder": [{"stage": stage, "at_s": _REACHED.get(stage)} for stage in DISK_LADDER],
    "sentence": "Nothing is decided yet: the kernel runs.",
    "outcome": None,
    "cause": None,
    "verdict_at_s": None,
    "traffic": {
        "read_bytes": 214 << 20,
        "written_bytes": 0,
        "disc_read_bytes": 0,
        "frames": 4,
        "last_frames": [{"at_s": 8.1, "text": "asks who has 203.0.113.1"}],
    },
    "findings": [
        {"id": "linux.serial-console", "severity": "warning", "statement": "No serial console."}
    ],
    "rules": [
        {
            "rule": "kernel",
            "channel": "serial",
            "line": "Linux version 6.1",
            "at_s": 5.9,
            "proves": "stage kernel",
        }
    ],
    "log": [{"at_s": 0.1, "text": "RESUME"}],
}
