"""Terminal keys as bytes for a serial line (the sequences of xterm, which guests expect)."""

from __future__ import annotations

PREFIX = "ctrl+right_square_bracket"
"""The prefix of every key for the console itself, in Textual's spelling."""
PREFIX_BYTE = b"\x1d"

_NAMED = {
    "enter": "\r",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "backspace": "\x7f",
    "escape": "\x1b",
    "space": " ",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "insert": "\x1b[2~",
    "delete": "\x1b[3~",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f5": "\x1b[15~",
    "f6": "\x1b[17~",
    "f7": "\x1b[18~",
    "f8": "\x1b[19~",
    "f9": "\x1b[20~",
    "f10": "\x1b[21~",
    "f11": "\x1b[23~",
    "f12": "\x1b[24~",
}


def key_bytes(key: str, character: str | None) -> bytes:
    """Return the bytes for ``key`` (Textual's name) and its ``character``; b"" for none."""
    if key in _NAMED:
        return _NAMED[key].encode()
    if character:
        # A control character is passed as it is: Ctrl-C is 0x03.
        return character.encode("utf-8", "replace")
    letter = key.removeprefix("ctrl+")
    if letter != key and len(letter) == 1 and letter.isalpha():
        return bytes([ord(letter.upper()) - ord("@")])
    return b""
