"""VGA text memory as text.

Each cell is two bytes, the code and the attribute (IBM VGA; Linux drivers/video/console/vgacon.c
names the same). The screen is a window into 32 KiB: Linux scrolls by moving its start, and the
register that says where it is cannot be read without disturbing the guest. So the window is found
by its picture: a cell that shows nothing holds a blank.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from harness.screen.fonts import CP437
from harness.screen.picture import Picture
from harness.screen.text import ScreenText, tidy

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
# So many rows may differ: the one with the cursor, and one that changed between the two looks.
_ODD_ROWS = 2


@dataclass(frozen=True, slots=True)
class Geometry:
    """Cells across and down, and the pixels of one."""

    columns: int
    rows: int
    cell_width: int
    cell_height: int


def geometries(width: int, height: int) -> list[Geometry]:
    """The text modes whose picture has this size in pixels; none for a graphics mode."""
    if height != _SCAN_LINES:
        return []
    return [
        Geometry(columns, height // rows_each, wide, rows_each)
        for columns in _COLUMNS
        for wide in _CELL_WIDTHS
        for rows_each in _CELL_HEIGHTS
        if columns * wide == width
    ]


def read_text_memory(memory: bytes, geometry: Geometry, start: int = 0) -> ScreenText:
    """The screen that begins ``start`` bytes into ``memory``; what is missing there is blank."""
    size = geometry.columns * geometry.rows * 2
    window = memory[start : start + size].ljust(size, b"\0")
    stride = geometry.columns * 2
    codes = [window[at : at + stride : 2] for at in range(0, size, stride)]
    backgrounds = Counter(attribute >> 4 & 7 for attribute in window[1::2])
    lines = ("".join(CP437[code] for code in row) for row in codes)
    return ScreenText(tidy(lines), "vga-text", 1.0, _PALETTE[backgrounds.most_common(1)[0][0]])


def read_with_picture(memory: bytes, picture: Picture) -> ScreenText | None:
    """The text of the window into ``memory`` that ``picture`` shows; None where it shows none.

    So a picture of a graphics mode, or of another moment, gives None.
    """
    for geometry in geometries(picture.width, picture.height):
        shown = _filled_in_picture(picture, geometry)
        start = _find_start(memory, geometry, shown)
        if start is not None:
            text = read_text_memory(memory, geometry, start)
            return ScreenText(text.lines, text.how, text.share, picture.background)
    return None


def _find_start(memory: bytes, geometry: Geometry, shown: list[int]) -> int | None:
    """Where the window begins whose filled cells are those that are ``shown``."""
    if not any(shown):
        return None
    stride = geometry.columns * 2
    held = [
        _filled_in_memory(memory[at : at + stride])
        for at in range(0, len(memory) - stride + 1, stride)
    ]
    best: tuple[int, int] | None = None
    for first in range(len(held) - geometry.rows + 1):
        window = held[first : first + geometry.rows]
        odd = sum(a != b for a, b in zip(window, shown, strict=True))
        proved = any(a and a == b for a, b in zip(window, shown, strict=True))
        if proved and odd <= _ODD_ROWS and (best is None or odd < best[0]):
            best = odd, first
    return best[1] * stride if best else None


def _filled_in_memory(row: bytes) -> int:
    """One bit a cell: whether it shows more than one colour."""
    bits = 0
    for code, attribute in zip(row[::2], row[1::2], strict=True):
        visible = code not in _ONE_COLOUR and attribute & 0x0F != attribute >> 4
        bits = bits << 1 | visible
    return bits


def _filled_in_picture(picture: Picture, geometry: Geometry) -> list[int]:
    """The same for each row of the picture."""
    width, step = picture.width, geometry.cell_width
    rows = []
    for top in range(0, picture.height, geometry.cell_height):
        begin = top * width
        strip = picture.grey[begin : begin + geometry.cell_height * width]
        lines = [strip[at : at + width] for at in range(0, len(strip), width)]
        bits = 0
        for left in range(0, width, step):
            cell = b"".join([line[left : left + step] for line in lines])
            bits = bits << 1 | (cell.count(cell[0]) != len(cell))
        rows.append(bits)
    return rows
