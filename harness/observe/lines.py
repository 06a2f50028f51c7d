"""A splitter of a console's byte stream into lines, and prompts that end without a newline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.evidence.guest_text import strip_escapes

MAX_LINE_BYTES = 2048
"""A longer line is cut there: a guest may send megabytes without a newline."""

# A boot loader draws with "cursor position" (CSI H, CSI f; ECMA-48, 8.3.21 and 8.3.63) and
# "erase in page" (CSI J) instead of newlines.
_LINE_ENDS = re.compile(rb"\r*\n|\r+|\x1b\[[0-9;]*[HfJ]")
# An escape sequence that may go on in the next chunk.
_OPEN_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*)?\Z")
# The ends of prompts: "login: ", "grub rescue> ", "(initramfs) ", "# ", "continue? ".
_PROMPT = re.compile(r"[:>#$%)?] \Z")


@dataclass(frozen=True, slots=True)
class Piece:
    """A line, or an unfinished line at the end. ``offset`` counts bytes from the stream's start."""

    kind: Literal["line", "prompt"]
    offset: int
    text: str


class LineSplitter:
    """A splitter that takes the stream chunk by chunk, in constant memory."""

    def __init__(self) -> None:
        self._rest = b""
        self._offset = 0
        self._shown_rest = ""

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """Yield the lines that ``chunk`` completes, then the rest if it looks like a prompt."""
        stream = self._rest + chunk
        start = 0
        for end in _LINE_ENDS.finditer(stream):
            yield from self._line(stream[start : end.start()], self._offset + start)
            start = end.end()
        while len(stream) - start > MAX_LINE_BYTES:
            yield from self._line(stream[start : start + MAX_LINE_BYTES], self._offset + start)
            start += MAX_LINE_BYTES
        if start:
            self._shown_rest = ""
        self._rest = stream[start:]
        self._offset += start
        if not _OPEN_ESCAPE.search(self._rest) and _PROMPT.search(_text(self._rest)):
            yield from self.flush()

    def flush(self) -> Iterator[Piece]:
        """Yield the unfinished line, if it has text that was not yielded before."""
        text = _text(self._rest)
        if text.strip() and text != self._shown_rest:
            self._shown_rest = text
            yield Piece("prompt", self._offset, text)

    def _line(self, line: bytes, offset: int) -> Iterator[Piece]:
        """Yield ``line`` without trailing blanks, cut if it is long; nothing where it is empty."""
        for at in range(0, len(line), MAX_LINE_BYTES):
            text = _text(line[at : at + MAX_LINE_BYTES]).rstrip()
            if text:
                yield Piece("line", offset + at, text)


def _text(line: bytes) -> str:
    return strip_escapes(line.decode("utf-8", errors="replace"))
