"""Text from a guest, made safe to print.

A serial line may carry anything: escape sequences that move the cursor, retitle a window or make
the terminal answer, and bytes that are no text. Every text of a guest passes through this module
before a person sees it.
"""

from __future__ import annotations

import re

# ECMA-48: CSI (5.4), the string controls OSC, DCS, SOS, PM and APC (8.3), and the two-byte
# sequences (5.3). A string control that is never closed ends with its line.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
)
# All other control characters (C0, DEL, C1), and the marks that reorder or hide text.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def strip_escapes(text: str) -> str:
    """Return ``text`` without escape sequences. Cursor movements have no effect."""
    return _ESCAPES.sub("", text)


def printable(text: str, limit: int = 400) -> str:
    """Return ``text`` as one printable line of at most ``limit`` characters.

    Escape sequences are removed; other control characters become a middle dot, tabs and newlines
    a space.
    """
    flat = strip_escapes(text).replace("\r", "").replace("\n", " ").replace("\t", " ")
    shown = _CONTROLS.sub("\u00b7", flat)
    return shown if len(shown) <= limit else shown[: limit - 1] + "\u2026"
