"""What was read on a screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.evidence.guest_text import printable

How = Literal["vga-text", "glyphs", "ocr", "none"]

MAX_LINES = 60
MAX_LINE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class ScreenText:
    """``lines`` from top to bottom, without trailing blanks and empty lines at either end.

    ``how`` they were read; with ``none`` there are no lines, which does not say that the screen
    is empty. ``share`` is the part of the characters that were recognised, from 0.0 to 1.0; for OCR
    it is the mean of what the program believes of its words. ``background`` is the most common
    colour as ``#rrggbb``.
    """

    lines: tuple[str, ...]
    how: How
    share: float
    background: str


def tidy(lines: Iterable[str]) -> tuple[str, ...]:
    """``lines`` as ScreenText keeps them: printable, at most 60 of at most 200 characters."""
    kept = [printable(line, MAX_LINE_CHARACTERS).rstrip() for line in lines]
    while kept and not kept[0]:
        kept.pop(0)
    while kept and not kept[-1]:
        kept.pop()
    # The last lines say what happened last.
    return tuple(kept[-MAX_LINES:])
