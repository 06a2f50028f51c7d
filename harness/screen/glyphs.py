"""Text in a picture, read by comparing its cells with the glyphs of known fonts.

A console draws a cell in two colours with the exact pixels of the font, so each cell is looked up.
The font and the origin of its grid are found by trial: a wrong grid matches almost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, product

from harness.screen.fonts import Font
from harness.screen.picture import Picture

# A grid is rejected if less than a third of its first cells are known.
_FIRST_CELLS = 9
_SAMPLED_CELLS = 60
# The maximum of cells that are read for that, with blank ones: there are hundreds of grids.
_SEARCHED_CELLS = 240
# The number of non-empty lines of a picture that are sampled.
_SAMPLED_ROWS = 6
_GOOD_SHARE = 0.85
# The minimum share of known cells in a sample of a correct grid: a line may hold unknown letters.
_GRID_SHARE = 0.6
# The minimum of characters of a grid found by search; fewer may match by chance.
_MIN_SEARCHED_CHARACTERS = 16
_MIN_CHARACTERS = 3
_BYTE = 8
# GRUB, grub-core/term/gfxterm.c, DEFAULT_BORDER_WIDTH.
_GRUB_BORDER_PIXELS = 10

_UNKNOWN = "\ufffd"


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of ``font`` in a picture. ``left`` and ``top`` of the first one are in pixels."""

    font: Font
    left: int
    top: int


@dataclass(slots=True)
class CellReader:
    """A reader of the cells of one font, with a cache."""

    font: Font
    background: int
    _seen: dict[bytes, str] = field(default_factory=dict)

    def read(self, cell: bytes) -> str:
        """The character of a cell: a blank for a single colour, ``U+FFFD`` for an unknown cell."""
        known = self._seen.get(cell)
        if known is None:
            known = self._seen[cell] = self._look_up(cell)
        return known

    def _look_up(self, cell: bytes) -> str:
        colours = sorted(set(cell), key=lambda grey: (grey != self.background, -cell.count(grey)))
        if len(colours) == 1:
            return " "
        if len(colours) != 2:
            return _UNKNOWN
        bits = int(cell.translate(bytes.maketrans(bytes(colours), b"01")), 2)
        inverted = bits ^ ((1 << len(cell)) - 1)
        for pixels in (bits, inverted):
            if pixels in self.font.glyphs:
                return self.font.glyphs[pixels]
        return " " if self._is_bar(cell) else _UNKNOWN

    def _is_bar(self, cell: bytes) -> bool:
        """Tell whether each row of the cell is a single colour: a cursor, not a letter."""
        step = self.font.width
        return all(cell.count(cell[at], at, at + step) == step for at in range(0, len(cell), step))


def read_glyphs(picture: Picture, fonts: Iterable[Font]) -> tuple[list[str], float]:
    """Return the lines of a console in ``picture``, and the share of known characters.

    There are no lines where less than 0.85 of the characters are known.
    """
    grid = _find_grid(picture, list(fonts))
    if grid is None:
        return [], 0.0
    reader = CellReader(grid.font, picture.background_grey)
    lines = ["".join(map(reader.read, row)) for row in cell_rows(picture, grid)]
    characters = "".join(lines).replace(" ", "")
    if not characters:
        return [], 0.0
    share = 1 - characters.count(_UNKNOWN) / len(characters)
    return (lines, share) if share >= _GOOD_SHARE else ([], share)


def cell_rows(picture: Picture, grid: Grid) -> Iterator[Iterator[bytes]]:
    """Yield the rows of the grid: the pixels of each whole cell; nothing for a blank row."""
    for top in range(grid.top, picture.height - grid.font.height + 1, grid.font.height):
        yield _cell_row(picture, grid, top)


def _cell_row(picture: Picture, grid: Grid, top: int) -> Iterator[bytes]:
    width, step = picture.width, grid.font.width
    begin = top * width
    strip = picture.grey[begin : begin + grid.font.height * width]
    if strip.count(picture.background_grey) == len(strip):
        return
    lines = [strip[at : at + width] for at in range(0, len(strip), width)]
    for left in range(grid.left, width - step + 1, step):
        yield b"".join([line[left : left + step] for line in lines])


def _find_grid(picture: Picture, fonts: Sequence[Font]) -> Grid | None:
    """The grid that matches best; the usual origins are tested first."""
    tops = _line_tops(picture)
    for font in fonts:
        for left, top in _usual_origins(picture, font):
            share, characters = _sample(picture, Grid(font, left, top), tops)
            if share >= _GRID_SHARE and characters >= _MIN_CHARACTERS:
                return Grid(font, left, top)
    best: tuple[float, Grid] | None = None
    # Cells of nine columns are those of text modes, which have no margin.
    for font in (font for font in fonts if font.width == _BYTE):
        for left, top in product(range(font.width), range(font.height)):
            grid = Grid(font, left, top)
            share, characters = _sample(picture, grid, tops, _SEARCHED_CELLS)
            if characters >= _MIN_SEARCHED_CHARACTERS and (best is None or share > best[0]):
                best = share, grid
    return best[1] if best and best[0] >= _GRID_SHARE else None


def _usual_origins(picture: Picture, font: Font) -> list[tuple[int, int]]:
    """The usual origins of consoles: the corner (VGA, Linux), a border (GRUB), centred (UEFI).

    UEFI has a full grid, or one of 80x25.
    """
    middles = [
        ((picture.width - columns * font.width) // 2, (picture.height - rows * font.height) // 2)
        for columns, rows in (
            (picture.width // font.width, picture.height // font.height),
            (80, 25),
        )
    ]
    border = (_GRUB_BORDER_PIXELS, _GRUB_BORDER_PIXELS)
    return list(dict.fromkeys([(0, 0), border, *((x, y) for x, y in middles if x >= 0 and y >= 0)]))


def _line_tops(picture: Picture) -> list[int]:
    """The first pixel row of each line of text: the first of a run of non-background rows."""
    width, blank = picture.width, bytes([picture.background_grey]) * picture.width
    filled = [picture.grey[at : at + width] != blank for at in range(0, len(picture.grey), width)]
    return [y for y in range(picture.height) if filled[y] and not (y and filled[y - 1])]


def _sample(
    picture: Picture, grid: Grid, tops: list[int], limit: int | None = None
) -> tuple[float, int]:
    """The share of known cells in a sample, and the number of characters in it.

    At most ``limit`` cells are read.
    """
    height = grid.font.height
    rows = dict.fromkeys((y - grid.top) // height * height + grid.top for y in tops)
    sampled = islice((y for y in rows if 0 <= y <= picture.height - height), _SAMPLED_ROWS)
    reader = CellReader(grid.font, picture.background_grey)
    known = read_cells = 0
    cells = chain.from_iterable(_cell_row(picture, grid, top) for top in sampled)
    for character in map(reader.read, islice(cells, limit)):
        if character == " ":
            continue
        read_cells += 1
        known += character != _UNKNOWN
        is_wrong = read_cells == _FIRST_CELLS and known * 3 < read_cells
        if is_wrong or read_cells == _SAMPLED_CELLS:
            break
    return (known / read_cells if read_cells else 0.0), read_cells
