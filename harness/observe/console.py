"""The text channels: the serial line and the firmware's log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.evidence.events import (
    ConsoleFull,
    ConsoleText,
    FirmwareFull,
    FirmwareLine,
    FirmwarePrompt,
    SerialFull,
    SerialLine,
    SerialPrompt,
)
from harness.evidence.log import EvidenceLog
from harness.observe.lines import LineSplitter, Piece

# A raw log stops growing here: a guest that prints for ever must not fill the host's disk.
MAX_RAW_BYTES = 32 << 20
# An unfinished line that does not look like a prompt is recorded after this long without output.
_REST_S = 0.5


ConsoleChannel = Literal["serial", "firmware"]


@dataclass(frozen=True, slots=True)
class _ConsoleEvents:
    """The events of one console."""

    line: type[ConsoleText]
    prompt: type[ConsoleText]
    full: type[ConsoleFull]


_EVENTS: dict[ConsoleChannel, _ConsoleEvents] = {
    "serial": _ConsoleEvents(SerialLine, SerialPrompt, SerialFull),
    "firmware": _ConsoleEvents(FirmwareLine, FirmwarePrompt, FirmwareFull),
}


class ConsoleObserver:
    """The recorder of one console stream: raw bytes to a file, lines and prompts as events."""

    def __init__(self, log: EvidenceLog, channel: ConsoleChannel, raw_log: Path) -> None:
        self._log = log
        self._events = _EVENTS[channel]
        self._raw = raw_log.open("xb")
        self._raw_left_bytes = MAX_RAW_BYTES
        self._splitter = LineSplitter()
        self._rest_timer: asyncio.TimerHandle | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        if self._raw_left_bytes <= 0:
            return
        self._raw.write(chunk[: self._raw_left_bytes])
        self._raw.flush()
        self._raw_left_bytes -= len(chunk)
        for piece in self._splitter.feed(chunk):
            self._record(piece)
        if self._raw_left_bytes <= 0:
            self._log.record(self._events.full(MAX_RAW_BYTES))
        if self._rest_timer:
            self._rest_timer.cancel()
        self._rest_timer = asyncio.get_running_loop().call_later(_REST_S, self._flush)

    def _flush(self) -> None:
        for piece in self._splitter.flush():
            self._record(piece)

    def _record(self, piece: Piece) -> None:
        event_type = self._events.line if piece.kind == "line" else self._events.prompt
        self._log.record(event_type(piece.text, piece.offset))

    def close(self) -> None:
        """Record the unfinished line and close the raw file."""
        if self._rest_timer:
            self._rest_timer.cancel()
        self._flush()
        self._raw.close()


class ConsoleInput:
    """The input side of a console: the keys that a person would type there."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None

    def open(self, writer: asyncio.StreamWriter) -> None:
        """Take the writer of a machine that has connected."""
        self._writer = writer

    def type(self, text: str) -> None:
        """Send ``text``; it is dropped where no machine is connected."""
        self.send(text.encode())

    def send(self, keys: bytes) -> None:
        """Send ``keys`` as they are."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(keys)


@asynccontextmanager
async def observe_console(
    log: EvidenceLog,
    channel: ConsoleChannel,
    socket: Path,
    raw_log: Path,
    listener: Callable[[bytes], None] | None = None,
) -> AsyncIterator[ConsoleInput]:
    """Listen on ``socket`` for the machine's stream and record it until the block is left.

    ``listener`` gets every chunk, also those beyond the limit of the record.
    """
    observer = ConsoleObserver(log, channel, raw_log)
    console_input = ConsoleInput()

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        console_input.open(writer)
        try:
            while chunk := await reader.read(1 << 16):
                observer.feed(chunk)
                if listener:
                    listener(chunk)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_unix_server(read, socket) as server:
        try:
            yield console_input
        finally:
            server.close()
            observer.close()
