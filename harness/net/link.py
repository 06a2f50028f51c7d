"""A link: its text, what its server says of it, and what can be wrong with it.

Nothing here goes to the network; :mod:`harness.net.http` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from harness.errors import HarnessError


class LinkError(HarnessError):
    """The link gives no image.

    ``kind`` is the last part of the ``url.*`` finding. A ``passing`` fault may go away by itself.
    """

    exit_status = 1

    def __init__(
        self,
        kind: Literal["unreachable", "not-direct", "tls", "no-checksum"],
        what: str,
        evidence: tuple[str, ...] = (),
        *,
        passing: bool = False,
    ) -> None:
        super().__init__(what)
        self.passing = passing
        self.kind = kind
        self.what = what
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class Head:
    """What the server answers to HEAD. ``status`` is 0 where no answer came."""

    status: int
    content_type: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What the server said of the link.

    ``size_bytes`` is what it promises, None where it says nothing. ``ranges`` tells whether a range
    was given when one was asked for. ``validator`` is an ETag that holds byte for byte, else "".
    ``private`` is the peer's address where only this network can reach it, else "".
    """

    url: str
    final_url: str
    content_type: str
    size_bytes: int | None
    ranges: bool
    validator: str
    private: str
    head: Head


def is_url(text: str) -> bool:
    """Whether ``text`` is meant as a link rather than as a file's name."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def without_password(text: str) -> str:
    """The link as it may be shown: a password in it is replaced by dots."""
    parts = urlsplit(text)
    if parts.password is None:
        return text
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:\u2022\u2022\u2022@{host}"))


def name_in_url(text: str) -> str:
    """The file's name at the end of a link's path."""
    return unquote(urlsplit(text).path).rsplit("/", 1)[-1]
