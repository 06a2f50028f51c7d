"""Pictures of consoles, drawn with the console fonts of this host."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from harness.screen.fonts import Font, console_fonts

Colour = tuple[int, int, int]
GREY, BLACK, BLUE, WHITE = (170, 170, 170), (0, 0, 0), (0, 0, 170), (255, 255, 255)


def font(name: str) -> Font:
    return next(font for font in console_fonts() if font.name == name)


def console(
    lines: Sequence[str],
    of: Font,
    size: tuple[int, int],
    at: tuple[int, int] = (0, 0),
    ink: Colour = GREY,
    paper: Colour = BLACK,
    inverse: Sequence[int] = (),
) -> Image.Image:
    """Draw ``lines`` from the pixel ``at``; those whose number is in ``inverse`` are inverse."""
    glyphs = {character: bits for bits, character in of.glyphs.items()}
    image = Image.new("RGB", size, paper)
    columns = (size[0] - at[0]) // of.width
    for row, line in enumerate(lines):
        front, back = (paper, ink) if row in inverse else (ink, paper)
        for column, character in enumerate(line.ljust(columns)[:columns]):
            left, top = at[0] + column * of.width, at[1] + row * of.height
            bits = f"{glyphs[character]:0{of.width * of.height}b}"
            cell = Image.new("RGB", (of.width, of.height))
            cell.putdata([front if bit == "1" else back for bit in bits])
            image.paste(cell, (left, top))
    return image


def ppm(image: Image.Image) -> bytes:
    return encoded(image, "PPM")


def encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()
