"""The text in VGA text memory.

Each cell is two bytes, the code and the attribute (IBM VGA; Linux drivers/video/console/vgacon.c).
The screen is a window into 32 KiB: Linux scrolls by moving its start, and the register with the
start cannot be read without disturbing the guest. So the window is found by comparison with a
screenshot: a cell of a single colour holds a blank.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.screen.fonts import CP437
from harness.screen.picture import Picture
from harness.screen.recognized_text import RecognizedText, bounded_lines

TEXT_MEMORY_ADDRESS = 0xB8000
TEXT_MEMORY_BYTES = 32 << 10

# QEMU hw/display/vga.c, vga_draw_text: cells are 8, 9 or 16 pixels wide. All the text modes of a
# PC but the oldest scan 400 lines (IBM VGA, modes 0 to 3), in rows of 16 or, at 80x50, of 8.
_SCAN_LINES = 400
_CELL_WIDTHS = (9, 8, 16)
_CELL_HEIGHTS = (16, 8)
_COLUMNS = (80, 40)

# The default palette (IBM VGA, mode 3), of which an attribute's bits 4 to 6 choose the background.
_PALETTE = (
    "#000000",
    "#0000aa",
    "#00aa00",
    "#00aaaa",
    "#aa0000",
    "#aa00aa",
    "#aa5500",
    "#aaaaaa",
    "#555555",
    "#5555ff",
    "#55ff55",
    "#55ffff",
    "#ff5555",
    "#ff55ff",
    "#ffff55",
    "#ffffff",
)

# Codes that show one colour only: NUL, space, the no-break space, the full block.
_ONE_COLOUR = frozenset({0x00, 0x20, 0xFF, 0xDB})
# The row with the cursor may differ, and one that changed between screenshot and memory dump.
_MAX_DIFFERENT_ROWS = 2


@dataclass(frozen=True, slots=True)
class TextMode:
    """A text mode: the number of columns and rows, and the size of a cell in pixels."""

    columns: int
    rows: int
    cell_width: int
    cell_height: int


def text_modes(width: int, height: int) -> list[TextMode]:
    """The text modes with this screen size in pixels; none for a graphics mode."""
    if height != _SCAN_LINES:
        return []
    return [
        TextMode(columns, height // rows_each, wide, rows_each)
        for columns in _COLUMNS
        for wide in _CELL_WIDTHS
        for rows_each in _CELL_HEIGHTS
        if columns * wide == width
    ]


def read_text_memory(memory: bytes, mode: TextMode, start: int = 0) -> RecognizedText:
    """The text of the screen at ``start`` bytes into ``memory``; missing cells are blank."""
    size = mode.columns * mode.rows * 2
    window = memory[start : start + size].ljust(size, b"\0")
    stride = mode.columns * 2
    codes = [window[at : at + stride : 2] for at in range(0, size, stride)]
    backgrounds = Counter(attribute >> 4 & 7 for attribute in window[1::2])
    lines = ("".join(CP437[code] for code in row) for row in codes)
    return RecognizedText(
        bounded_lines(lines), "vga-text", 1.0, _PALETTE[backgrounds.most_common(1)[0][0]]
    )


def read_with_picture(memory: bytes, picture: Picture) -> RecognizedText | None:
    """The text of the part of ``memory`` that ``picture`` shows; None where it shows none.

    A picture of a graphics mode, or of another moment, gives None.
    """
    for mode in text_modes(picture.width, picture.height):
        shown = _filled_in_picture(picture, mode)
        start = _find_start(memory, mode, shown)
        if start is not None:
            text = read_text_memory(memory, mode, start)
            return RecognizedText(text.lines, text.how, text.share, picture.background)
    return None


def _find_start(memory: bytes, mode: TextMode, shown: list[int]) -> int | None:
    """The offset of the window whose filled cells match ``shown``; None where none does."""
    if not any(shown):
        return None
    stride = mode.columns * 2
    filled = [
        _filled_in_memory(memory[at : at + stride])
        for at in range(0, len(memory) - stride + 1, stride)
    ]
    best: tuple[int, int] | None = None
    for first in range(len(filled) - mode.rows + 1):
        window = filled[first : first + mode.rows]
        different = sum(a != b for a, b in zip(window, shown, strict=True))
        any_equal = any(a and a == b for a, b in zip(window, shown, strict=True))
        if any_equal and different <= _MAX_DIFFERENT_ROWS and (best is None or different < best[0]):
            best = different, first
    return best[1] * stride if best else None


def _filled_in_memory(row: bytes) -> int:
    """The cells of a row as bits: 1 for a cell with more than one colour."""
    bits = 0
    for code, attribute in zip(row[::2], row[1::2], strict=True):
        visible = code not in _ONE_COLOUR and attribute & 0x0F != attribute >> 4
        bits = bits << 1 | visible
    return bits


def _filled_in_picture(picture: Picture, mode: TextMode) -> list[int]:
    """The bits of each row of cells in the picture, as in :func:`_filled_in_memory`."""
    width, step = picture.width, mode.cell_width
    rows = []
    for top in range(0, picture.height, mode.cell_height):
        begin = top * width
        strip = picture.grey[begin : begin + mode.cell_height * width]
        lines = [strip[at : at + width] for at in range(0, len(strip), width)]
        bits = 0
        for left in range(0, width, step):
            cell = b"".join([line[left : left + step] for line in lines])
            bits = bits << 1 | (cell.count(cell[0]) != len(cell))
        rows.append(bits)
    return rows
