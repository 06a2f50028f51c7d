"""Text that a guest wrote, made safe to read.

A serial line carries whatever the guest likes: escape sequences that move a cursor, retitle a
window or answer back, bytes that are no text. Nothing of a guest is shown to a person before it
went through here.
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
# Every remaining control character (C0, DEL, C1), and the marks that reorder or hide text.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def strip_escapes(text: str) -> str:
    """``text`` without escape sequences; a cursor that is moved counts as nothing."""
    return _ESCAPES.sub("", text)


def printable(text: str, limit: int = 400) -> str:
    """``text`` as one harmless line of at most ``limit`` characters.

    Escape sequences go, other control characters become a middle dot, tabs and newlines a space.
    """
    flat = strip_escapes(text).replace("\r", "").replace("\n", " ").replace("\t", " ")
    shown = _CONTROLS.sub("\u00b7", flat)
    return shown if len(shown) <= limit else shown[: limit - 1] + "\u2026"
