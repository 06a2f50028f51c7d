"""Who may see a console in a browser: links that open once, sessions, and one typist.

A link holds a token that is good for one browser. It is traded for a session, which a cookie
carries. Nothing here knows HTTP but the rule for ``Host`` and ``Origin``.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field

from harness.errors import StateError, UsageError

MAX_VIEWERS = 32
"""How many sessions a console has at most, those that left among them."""
_MAX_LINKS = 32


@dataclass(slots=True)
class Viewer:
    """Somebody who came in. ``sockets`` says how many of theirs are open: 0 where they left."""

    name: str
    sockets: int = 0


@dataclass(slots=True)
class AccessControl:
    """The links that are open, the viewers that came in, and which of them types.

    Only digests of tokens and sessions are kept.
    """

    viewers: list[Viewer] = field(default_factory=list)
    typist: Viewer | None = None
    _links: list[bytes] = field(default_factory=list)
    _sessions: list[tuple[bytes, Viewer]] = field(default_factory=list)

    def new_link(self) -> str:
        """A token that lets one browser in; of many that nobody used, the oldest dies."""
        token = secrets.token_urlsafe(32)
        self._links = [*self._links[1 - _MAX_LINKS :], _digest(token)]
        return token

    def enter(self, token: str) -> str | None:
        """The session for ``token``, which is dead from now on; None where it opens nothing.

        The first one to come in is the typist. Raises StateError where too many came in.
        """
        # All are compared: the time it takes says nothing of which was near.
        fits = [hmac.compare_digest(link, _digest(token)) for link in self._links]
        if not any(fits):
            return None
        if len(self.viewers) >= MAX_VIEWERS:
            raise StateError(f"{MAX_VIEWERS} browsers have come in: this console takes no more.")
        del self._links[fits.index(True)]
        session = secrets.token_urlsafe(32)
        viewer = Viewer(f"viewer {len(self.viewers) + 1}")
        self.viewers.append(viewer)
        self._sessions.append((_digest(session), viewer))
        self.typist = self.typist or viewer
        return session

    def viewer(self, session: str) -> Viewer | None:
        """Whose session it is; None where it is nobody's."""
        digest = _digest(session)
        found = None
        for known, viewer in self._sessions:
            if hmac.compare_digest(known, digest):
                found = viewer
        return found

    def take_over(self, viewer: Viewer) -> None:
        """Make ``viewer`` the one who types."""
        self.typist = viewer


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).digest()


def bind_address(text: str) -> str:
    """``text`` as the address to bind to; raises UsageError where it is not one address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise UsageError(
            f"--web-bind {text}: is no address: give one like 127.0.0.1; names are not looked up."
        ) from None
    if address.is_unspecified:
        # A page is at one address, which is how a name that was made to point here is told apart.
        raise UsageError(f"--web-bind {text}: means every address: give the one to be reached at.")
    return str(address)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``address``."""
    return ipaddress.ip_address(address).is_loopback


def host_header(address: str, port: int) -> str:
    """What a browser that was led to ``address`` and ``port`` says in ``Host``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def is_same_origin(host: str, expected_host: str, origin: str | None, *, changes: bool) -> bool:
    """Whether a request was sent by a page of ours, or by somebody who followed the link.

    A name that was made to point here (DNS rebinding) is another ``Host`` than the address. What
    ``changes`` something, or opens a websocket, must say its origin.
    """
    if host != expected_host:
        return False
    return not changes if origin is None else origin == f"http://{expected_host}"
