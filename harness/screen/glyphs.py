"""Text in a picture, read by holding its cells against the glyphs of known fonts.

A console draws a cell in two colours and exactly as the font has it, so a cell is looked up, not
guessed. Which font it is and where its grid begins is found by trying: a wrong grid matches next
to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, product

from harness.screen.fonts import Font
from harness.screen.picture import Picture

# A grid is given up after this many cells of which less than a third are known.
_TRIED_CELLS = 9
_SAMPLED_CELLS = 60
# So many cells are looked at for them, blank ones too: there are hundreds of grids.
_SEARCHED_CELLS = 240
# What is tried of a picture: its first lines that hold anything.
_SAMPLED_ROWS = 6
_GOOD_SHARE = 0.85
# Of a right grid this share of a sample is known at least: one line may hold many odd letters.
_GRID_SHARE = 0.6
# Fewer than these characters may be there by accident, of a grid that was searched for.
_MIN_SEARCHED_CHARACTERS = 16
_MIN_CHARACTERS = 3
_BYTE = 8
# GRUB, grub-core/term/gfxterm.c, DEFAULT_BORDER_WIDTH.
_GRUB_BORDER_PIXELS = 10

_UNKNOWN = "\ufffd"


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells of ``font`` are: ``left`` and ``top`` are the first cell's, in pixels."""

    font: Font
    left: int
    top: int


@dataclass(slots=True)
class CellReader:
    """Reads cells of one font, and remembers each that it has seen."""

    font: Font
    background: int
    _seen: dict[bytes, str] = field(default_factory=dict)

    def read(self, cell: bytes) -> str:
        """Its character: a blank where it has one colour, ``U+FFFD`` where it is not known."""
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
        """Whether it is filled across, row by row: a cursor, not a letter."""
        step = self.font.width
        return all(cell.count(cell[at], at, at + step) == step for at in range(0, len(cell), step))


def read_glyphs(picture: Picture, fonts: Iterable[Font]) -> tuple[list[str], float]:
    """The lines of a console in ``picture``, and the share of its characters that is known.

    There are no lines where less than 0.85 of what looks like characters is known.
    """
    grid = _find_grid(picture, list(fonts))
    if grid is None:
        return [], 0.0
    reader = CellReader(grid.font, picture.background_grey)
    lines = ["".join(map(reader.read, row)) for row in rows_of_cells(picture, grid)]
    characters = "".join(lines).replace(" ", "")
    if not characters:
        return [], 0.0
    share = 1 - characters.count(_UNKNOWN) / len(characters)
    return (lines, share) if share >= _GOOD_SHARE else ([], share)


def rows_of_cells(picture: Picture, grid: Grid) -> Iterator[Iterator[bytes]]:
    """The pixels of each whole cell, row by row; rows without anything are empty."""
    for top in range(grid.top, picture.height - grid.font.height + 1, grid.font.height):
        yield _row_of_cells(picture, grid, top)


def _row_of_cells(picture: Picture, grid: Grid, top: int) -> Iterator[bytes]:
    width, step = picture.width, grid.font.width
    begin = top * width
    strip = picture.grey[begin : begin + grid.font.height * width]
    if strip.count(picture.background_grey) == len(strip):
        return
    lines = [strip[at : at + width] for at in range(0, len(strip), width)]
    for left in range(grid.left, width - step + 1, step):
        yield b"".join([line[left : left + step] for line in lines])


def _find_grid(picture: Picture, fonts: Sequence[Font]) -> Grid | None:
    """The grid that matches; the usual places are tried before every other."""
    bands = _bands(picture)
    for font in fonts:
        for left, top in _usual_places(picture, font):
            share, characters = _sample(picture, Grid(font, left, top), bands)
            if share >= _GRID_SHARE and characters >= _MIN_CHARACTERS:
                return Grid(font, left, top)
    best: tuple[float, Grid] | None = None
    # Cells of nine columns are those of text modes, which have no margin.
    for font in (font for font in fonts if font.width == _BYTE):
        for left, top in product(range(font.width), range(font.height)):
            grid = Grid(font, left, top)
            share, characters = _sample(picture, grid, bands, _SEARCHED_CELLS)
            if characters >= _MIN_SEARCHED_CHARACTERS and (best is None or share > best[0]):
                best = share, grid
    return best[1] if best and best[0] >= _GRID_SHARE else None


def _usual_places(picture: Picture, font: Font) -> list[tuple[int, int]]:
    """Where consoles begin: VGA and Linux in the corner, GRUB in a border, UEFI in the middle.

    UEFI's is a full grid, or one of 80x25.
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


def _bands(picture: Picture) -> list[int]:
    """The first of each run of pixel rows that hold anything but background, from the top."""
    width, blank = picture.width, bytes([picture.background_grey]) * picture.width
    filled = [picture.grey[at : at + width] != blank for at in range(0, len(picture.grey), width)]
    return [y for y in range(picture.height) if filled[y] and not (y and filled[y - 1])]


def _sample(
    picture: Picture, grid: Grid, bands: list[int], limit: int | None = None
) -> tuple[float, int]:
    """The share of some cells that are exactly glyphs, and how many were looked at.

    At most ``limit`` cells are cut out for it.
    """
    height = grid.font.height
    rows = dict.fromkeys((y - grid.top) // height * height + grid.top for y in bands)
    tops = islice((y for y in rows if 0 <= y <= picture.height - height), _SAMPLED_ROWS)
    reader = CellReader(grid.font, picture.background_grey)
    known = tried = 0
    cells = chain.from_iterable(_row_of_cells(picture, grid, top) for top in tops)
    for character in map(reader.read, islice(cells, limit)):
        if character == " ":
            continue
        tried += 1
        known += character != _UNKNOWN
        is_wrong = tried == _TRIED_CELLS and known * 3 < tried
        if is_wrong or tried == _SAMPLED_CELLS:
            break
    return (known / tried if tried else 0.0), tried
