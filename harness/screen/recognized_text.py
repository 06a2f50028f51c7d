"""The text that was recognised on a screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.evidence.guest_text import printable

How = Literal["vga-text", "glyphs", "ocr", "none"]

MAX_LINES = 60
MAX_LINE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class RecognizedText:
    """The text on a screen.

    ``lines`` are from top to bottom, without trailing blanks and empty lines at either end.
    ``how`` names the method; with ``none`` there are no lines, and the screen need not be empty.
    ``share`` is the part of the characters that were recognised, from 0.0 to 1.0; for OCR it is
    the mean confidence of the words. ``background`` is the most common colour as ``#rrggbb``.
    """

    lines: tuple[str, ...]
    how: How
    share: float
    background: str


def bounded_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """Return ``lines`` for RecognizedText: printable, at most 60 with at most 200 characters."""
    kept = [printable(line, MAX_LINE_CHARACTERS).rstrip() for line in lines]
    while kept and not kept[0]:
        kept.pop(0)
    while kept and not kept[-1]:
        kept.pop()
    # The last lines say what happened last.
    return tuple(kept[-MAX_LINES:])
