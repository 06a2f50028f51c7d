"""Keys of a terminal as bytes of a serial line."""

from __future__ import annotations

import pytest

from harness.console.keys import key_bytes


@pytest.mark.parametrize(
    ("key", "character", "typed"),
    [
        ("a", "a", b"a"),
        ("ö", "ö", "ö".encode()),
        ("enter", "\r", b"\r"),
        ("backspace", "\x08", b"\x7f"),
        ("up", None, b"\x1b[A"),
        ("f1", None, b"\x1bOP"),
        ("f12", None, b"\x1b[24~"),
        ("ctrl+c", "\x03", b"\x03"),
        ("ctrl+c", None, b"\x03"),
        ("ctrl+z", None, b"\x1a"),
        ("ctrl+f1", None, b""),
        ("ctrl+1", None, b""),
        ("shift", None, b""),
        ("x", "\ud800", b"?"),
    ],
)
def test_key_bytes_are_those_of_xterm(key: str, character: str | None, typed: bytes) -> None:
    assert key_bytes(key, character) == typed
