"""Secrets taken out of text that is kept or shown for people: of a link, of a key, of a seed."""

from __future__ import annotations

import re

_MASK = "***"
# RFC 3986, 3.2.1: what stands before the @ of an authority.
_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def without_secrets(text: str) -> str:
    """The same text without passwords of links, and without private keys."""
    return _PRIVATE_KEY.sub(_MASK, _USERINFO.sub(_MASK, text))
