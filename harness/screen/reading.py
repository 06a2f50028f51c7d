"""A picture of a screen, read by whatever reads it."""

from __future__ import annotations

import threading

from harness.screen.fonts import console_fonts
from harness.screen.glyphs import read_glyphs
from harness.screen.ocr import read_by_ocr
from harness.screen.picture import Picture, read_picture
from harness.screen.text import ScreenText, tidy


def read_screen(picture: bytes) -> ScreenText:
    """The text on the screen of which ``picture`` is a PNG or a PPM.

    By glyphs where it is a console, which takes milliseconds; else by OCR, which takes seconds.
    Raises PictureError where the bytes are no picture that can be read.
    """
    pixels = read_picture(picture)
    text = read_console(pixels)
    return text if text.lines else read_print(pixels)


def read_console(picture: Picture) -> ScreenText:
    """The text by its glyphs; ``how`` is ``none`` where it is not drawn in a known font."""
    lines, share = read_glyphs(picture, console_fonts())
    kept = tidy(lines)
    return ScreenText(kept, "glyphs" if kept else "none", share, picture.background)


def read_print(picture: Picture, stop: threading.Event | None = None) -> ScreenText:
    """The text by OCR; ``how`` is ``none`` where that finds none or is not installed.

    It ends soon after ``stop`` is set, without a text.
    """
    lines, share = read_by_ocr(picture, stop)
    kept = tidy(lines)
    return ScreenText(kept, "ocr" if kept else "none", share, picture.background)
