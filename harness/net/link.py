"""A link: its text, the facts that its server states, and its faults.

This module makes no requests; :mod:`harness.net.http` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from harness.errors import HarnessError


class LinkError(HarnessError):
    """A link that serves no image.

    ``kind`` is the last part of the ``url.*`` finding. A retry may succeed after a ``transient``
    fault.
    """

    exit_status = 1

    def __init__(
        self,
        kind: Literal["unreachable", "not-direct", "tls", "no-checksum"],
        what: str,
        evidence: tuple[str, ...] = (),
        *,
        transient: bool = False,
    ) -> None:
        super().__init__(what)
        self.transient = transient
        self.kind = kind
        self.what = what
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class HeadResponse:
    """The response to a HEAD request. ``status`` is 0 where there was none."""

    status: int
    content_type: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """The facts of a link that its server states.

    ``size_bytes`` is None where the server does not state it. ``ranges`` tells whether the server
    answered a range request with a range. ``validator`` is the strong ETag, else "". ``private`` is
    the address of the server where only this network can reach it, else "".
    """

    url: str
    final_url: str
    content_type: str
    size_bytes: int | None
    ranges: bool
    validator: str
    private: str
    head: HeadResponse


def is_url(text: str) -> bool:
    """Tell whether ``text`` is a link rather than a file name."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def without_password(text: str) -> str:
    """The link for display: a password in it is replaced by dots."""
    parts = urlsplit(text)
    if parts.password is None:
        return text
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:\u2022\u2022\u2022@{host}"))


def name_in_url(text: str) -> str:
    """The file name at the end of the path of a link."""
    return unquote(urlsplit(text).path).rsplit("/", 1)[-1]
