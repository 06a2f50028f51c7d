"""An emulation of the terminal on the guest's serial line.

The guest is hostile: only single printable characters and colours leave this module.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import pyte
from pyte import modes as mo
from pyte.charsets import LAT1_MAP
from pyte.screens import Char
from rich.segment import Segment
from rich.style import Style
from wcwidth import wcwidth

_PAST_LINES = 2000
# Titles, clipboards and other strings of a control (OSC, DCS, SOS, PM, APC; ECMA-48, 8.3).
_STRINGS = re.compile(r"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)")
# A sequence that continues in the next bytes; a longer one than the limit is dropped.
_OPEN = re.compile(r"\x1b(?:[\]PX^_][^\x07\x1b]*\x1b?|\[[0-?]*[ -/]*|[ -/]*)?\Z")
_MAX_OPEN_CHARS = 4096
_BEGINS = re.compile(r"(?=\x1b)")
# All controls but those that move the cursor, change the character set, or begin a sequence.
_CONTROLS = re.compile(r"[\x00-\x07\x10-\x1a\x1c-\x1f\x7f-\x9f]")
# DECCOLM (132 columns) would change the size of the pane.
_DECCOLM = 3
_COLOURS = {"brown": "yellow"}
_PLAIN = Style()


class _Screen(pyte.Screen):
    """A screen with a scrollback of past lines."""

    def __init__(self, columns: int, lines: int) -> None:
        self.past: deque[Mapping[int, Char]] = deque(maxlen=_PAST_LINES)
        super().__init__(columns, lines)

    def reset(self) -> None:
        """Clear the screen and the scrollback, as a replay that moves back needs it."""
        super().reset()
        self.past.clear()

    def index(self) -> None:
        """Move down a line; at the bottom, move the top line to the scrollback."""
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom and top == 0:
            self.past.append(self.buffer[0])
        super().index()

    def shrink_to(self, lines: int) -> None:
        """Reduce the number of lines; lines above the cursor that do not fit become scrollback."""
        if lines >= self.lines:
            return
        gone = max(0, self.cursor.y + 1 - lines)
        rows = [self.buffer[line] for line in range(gone + lines)]
        self.past.extend(rows[:gone])
        self.buffer.clear()
        self.buffer.update(enumerate(rows[gone:]))
        self.cursor.y -= gone
        self.lines = lines
        self.set_margins()

    def draw(self, data: str) -> None:
        """Draw as pyte does, but many times faster for plain text, which is nearly all."""
        is_plain = data.isascii() and mo.DECAWM in self.mode and mo.IRM not in self.mode
        if not is_plain or (self.g1_charset if self.charset else self.g0_charset) != LAT1_MAP:
            super().draw(data)
            return
        cursor, look = self.cursor, self.cursor.attrs[1:]
        row = self.buffer[cursor.y]
        for char in data:
            if cursor.x == self.columns:
                self.carriage_return()
                self.linefeed()
                row = self.buffer[cursor.y]
            row[cursor.x] = Char(char, *look)
            cursor.x += 1

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        """Set all modes but that of the width."""
        super().set_mode(*(mode for mode in modes if mode != _DECCOLM), **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        """Reset all modes but that of the width."""
        super().reset_mode(*(mode for mode in modes if mode != _DECCOLM), **kwargs)


class GuestTerminal:
    """A screen with its scrollback. It takes any bytes and never raises."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self._screen = _Screen(columns, lines)
        self._stream = pyte.Stream(self._screen)
        # Needed for the line-drawing character set.
        self._stream.use_utf8 = False
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._open = ""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        text = _STRINGS.sub("", self._open + self._decoder.decode(chunk))
        self._open = ""
        if unfinished := _OPEN.search(text):
            text, self._open = text[: unfinished.start()], unfinished[0]
            if len(self._open) > _MAX_OPEN_CHARS:
                self._open = ""
        for piece in _BEGINS.split(_CONTROLS.sub("", text)):
            try:
                self._stream.feed(_without_marks(piece))
            except Exception:  # noqa: S112  the parser starts over after what it cannot do
                continue

    def resize(self, columns: int, lines: int) -> None:
        """Change the size; lines that no longer fit become scrollback."""
        self._screen.shrink_to(lines)
        self._screen.resize(lines, columns)

    @property
    def cursor(self) -> tuple[int, int] | None:
        """The line, counted from the first of the scrollback, and the column; None if hidden."""
        cursor = self._screen.cursor
        return None if cursor.hidden else (len(self._screen.past) + cursor.y, cursor.x)

    @property
    def height(self) -> int:
        """The number of lines, scrollback included."""
        return len(self._screen.past) + self._screen.lines

    def segments(self, line: int) -> list[Segment]:
        """Return the segments of a line, counted from the first of the scrollback."""
        screen = self._screen
        past = len(screen.past)
        if line < past:
            cells = _cells(screen.past[line], screen.columns)
        elif line < self.height:
            cells = _cells(screen.buffer[line - past], screen.columns)
        else:
            return []
        return _joined(cells, self.cursor[1] if self.cursor and self.cursor[0] == line else None)

    def text(self) -> str:
        """Return all lines with the scrollback, without colours and trailing blanks."""
        lines = ("".join(s.text for s in self.segments(at)).rstrip() for at in range(self.height))
        return "\n".join(lines).rstrip()


def _without_marks(text: str) -> str:
    """Return ``text`` without zero-width characters: they pile up in a cell or reorder text."""
    if text.isascii():
        return text
    return "".join(char for char in text if char < "\x80" or wcwidth(char) > 0)


def _cells(row: Mapping[int, Char], columns: int) -> list[Char]:
    return [row[column] for column in range(columns)]


def _joined(cells: Iterable[Char], cursor: int | None) -> list[Segment]:
    """Return cells as segments; neighbours of one style are joined."""
    segments: list[Segment] = []
    for column, cell in enumerate(cells):
        # The second half of a wide character is empty.
        char = cell.data[:1]
        if char and not char.isprintable():
            char = " "
        style = _style(cell)
        if column == cursor:
            style += Style(reverse=True)
        if segments and segments[-1].style == style:
            segments[-1] = Segment(segments[-1].text + char, style)
        else:
            segments.append(Segment(char, style))
    return segments


def _style(cell: Char) -> Style:
    if (cell.fg, cell.bg) == ("default", "default") and not (cell.bold or cell.reverse):
        return _PLAIN if not cell.underscore else Style(underline=True)
    return Style(
        color=_colour(cell.fg),
        bgcolor=_colour(cell.bg),
        bold=cell.bold,
        underline=cell.underscore,
        reverse=cell.reverse,
    )


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    name = _COLOURS.get(name, name)
    return f"bright_{name[6:]}" if name.startswith("bright") else name
