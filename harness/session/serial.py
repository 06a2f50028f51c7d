"""The serial line of a machine: its text, the wait for a pattern, and typing."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import QemuError
from harness.evidence.guest_text import printable
from harness.machine.machine import Machine
from harness.observe.console import ConsoleInput
from harness.session.stage_waiter import StageWaiter

if TYPE_CHECKING:
    from harness.session.loop import LoopThread

# A longer line is cut into lines of this length.
_MAX_LINE_BYTES = 64 << 10


class SerialText:
    """The bytes of a console as lines that are safe to print."""

    def __init__(self) -> None:
        self._lines = ""
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        self._lines += "".join(f"{_safe(line)}\n" for line in lines)

    @property
    def text(self) -> str:
        """All lines so far; the last one may go on."""
        return self._lines + _safe(self._rest)


def _safe(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace")
    return printable(text, len(text))


class SerialReader:
    """A reader of the line's raw log; it belongs to the loop of its session."""

    def __init__(
        self, raw_log: Path, line: ConsoleInput, waiter: StageWaiter, machine: Machine
    ) -> None:
        self._file = raw_log.open("rb")
        self._line = line
        self._follow = waiter
        self._machine = machine
        self._text = SerialText()
        self._read_to = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def text(self) -> str:
        """Return the text of the line so far."""
        while chunk := self._file.read(1 << 20):
            self._text.feed(chunk)
        return self._text.text

    def write(self, text: str) -> None:
        """Type ``text``; earlier text of the line is not an answer to it."""
        self._read_to = len(self.text())
        self._line.type(text)

    async def wait_for(self, pattern: re.Pattern[str], timeout_s: float) -> re.Match[str]:
        """Wait for the next match of ``pattern`` and return it."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._follow.wait(lambda: self._look(pattern))
        except TimeoutError:
            last = self.text().rstrip("\n").rpartition("\n")[2]
            raise TimeoutError(
                f"{pattern.pattern!r} did not come over the serial line within {timeout_s:g} s; "
                f"its last line is {printable(last, 200)!r}."
            ) from None

    def _look(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        text = self.text()
        found = pattern.search(text, min(self._read_to, len(text)))
        if found:
            self._read_to = found.end()
        elif self._machine.has_ended:
            raise QemuError("QEMU has ended: its serial line says no more.")
        return found


class Serial:
    """The serial line of a machine, for calls from any thread."""

    def __init__(self, thread: LoopThread[Any], reader: SerialReader) -> None:
        self._thread = thread
        self._reader = reader

    @property
    def text(self) -> str:
        """The text of the line so far, without escape sequences; 32 MiB at most."""

        async def read() -> str:
            return self._reader.text()

        return self._thread.run(read)

    def write(self, text: str) -> None:
        r"""Type ``text``, ``\n`` for the return key."""

        async def write() -> None:
            self._reader.write(text)

        self._thread.run(write)

    def wait_for(self, pattern: str | re.Pattern[str], timeout_s: float = 60.0) -> re.Match[str]:
        """Wait for a match of ``pattern`` after the last match and the last write; return it.

        In a pattern that is a string, ``^`` and ``$`` are the ends of a line. Raises TimeoutError,
        and HostError if QEMU has ended.
        """
        wanted = re.compile(pattern, re.MULTILINE) if isinstance(pattern, str) else pattern
        return self._thread.run(lambda: self._reader.wait_for(wanted, timeout_s))
