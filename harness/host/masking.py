"""The masking of secrets in text that is kept or shown: of links, keys and seeds."""

from __future__ import annotations

import re

_MASK = "***"
# RFC 3986, 3.2.1: the user information before the @ of an authority.
_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
# Query parameters that grant access in a presigned URL (S3, Azure, GCS...).
_QUERY_SECRETS = re.compile(
    r"([?&](?:[\w-]*(?:signature|credential|token|password|secret)|sig|key)=)[^&\s'\"]+",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def without_secrets(text: str) -> str:
    """Return ``text`` with the credentials in links and the private keys masked."""
    text = _QUERY_SECRETS.sub(rf"\1{_MASK}", _USERINFO.sub(_MASK, text))
    return _PRIVATE_KEY.sub(_MASK, text)
