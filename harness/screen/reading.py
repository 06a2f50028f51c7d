"""The text of a screenshot: by glyphs where it is a console, else by OCR."""

from __future__ import annotations

import threading

from harness.screen.fonts import console_fonts
from harness.screen.glyphs import read_glyphs
from harness.screen.ocr import run_ocr
from harness.screen.picture import Picture, read_picture
from harness.screen.recognized_text import RecognizedText, bounded_lines


def read_screen(picture: bytes) -> RecognizedText:
    """Read the text of a screenshot, a PNG or a PPM.

    Glyphs take milliseconds, OCR takes seconds. Raises PictureError where the bytes are no
    supported picture.
    """
    pixels = read_picture(picture)
    text = read_console(pixels)
    return text if text.lines else read_with_ocr(pixels)


def read_console(picture: Picture) -> RecognizedText:
    """Read the text by glyphs; ``how`` is ``none`` where it has no known font."""
    lines, share = read_glyphs(picture, console_fonts())
    kept = bounded_lines(lines)
    return RecognizedText(kept, "glyphs" if kept else "none", share, picture.background)


def read_with_ocr(picture: Picture, stop: threading.Event | None = None) -> RecognizedText:
    """Read the text by OCR; ``how`` is ``none`` where it finds none or is not installed.

    It ends soon after ``stop`` is set, without a text.
    """
    lines, share = run_ocr(picture, stop)
    kept = bounded_lines(lines)
    return RecognizedText(kept, "ocr" if kept else "none", share, picture.background)
