"""Secrets taken out of text that is kept or shown for people: of a link, of a key, of a seed."""

from __future__ import annotations

import re

_MASK = "***"
# RFC 3986, 3.2.1: what stands before the @ of an authority.
_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
# What grants access in the query of a link that was signed for somebody (S3, Azure, GCS...).
_GRANTS = re.compile(
    r"([?&](?:[\w-]*(?:signature|credential|token|password|secret)|sig|key)=)[^&\s'\"]+",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def without_secrets(text: str) -> str:
    """The same text without what lets one in by a link, and without private keys."""
    text = _GRANTS.sub(rf"\1{_MASK}", _USERINFO.sub(_MASK, text))
    return _PRIVATE_KEY.sub(_MASK, text)
