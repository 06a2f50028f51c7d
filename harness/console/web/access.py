"""Access control for a console in a browser: one-time links, sessions, and one typist.

A link holds a token that is valid for one browser. It is exchanged for a session, which a cookie
holds. The only HTTP here is the rule for ``Host`` and ``Origin``.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field

from harness.errors import StateError, UsageError

MAX_VIEWERS = 32
"""The maximum number of sessions of a console, closed ones included."""
_MAX_LINKS = 32


@dataclass(slots=True)
class Viewer:
    """A browser with a session. ``sockets`` counts its open websockets: 0 after it left."""

    name: str
    sockets: int = 0


@dataclass(slots=True)
class AccessControl:
    """The unused links, the viewers, and the one that types.

    Only digests of tokens and sessions are stored.
    """

    viewers: list[Viewer] = field(default_factory=list)
    typist: Viewer | None = None
    _links: list[bytes] = field(default_factory=list)
    _sessions: list[tuple[bytes, Viewer]] = field(default_factory=list)

    def new_link(self) -> str:
        """Return a token that admits one browser; too many unused tokens expire the oldest."""
        token = secrets.token_urlsafe(32)
        self._links = [*self._links[1 - _MAX_LINKS :], _digest(token)]
        return token

    def enter(self, token: str) -> str | None:
        """Exchange ``token`` for a session, once; None if the token is not valid.

        The first viewer is the typist. Raises StateError if there are too many viewers.
        """
        # All are compared, so that the time reveals nothing (timing attack).
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
        """Return the viewer of ``session``; None if missing."""
        digest = _digest(session)
        found = None
        for known, viewer in self._sessions:
            if hmac.compare_digest(known, digest):
                found = viewer
        return found

    def take_over(self, viewer: Viewer) -> None:
        """Make ``viewer`` the typist."""
        self.typist = viewer


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).digest()


def bind_address(text: str) -> str:
    """Return ``text`` as the address to bind to; raises UsageError if it is not one address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise UsageError(
            f"--web-bind {text}: is no address: give one like 127.0.0.1; names are not looked up."
        ) from None
    if address.is_unspecified:
        # A page has one address, which is how DNS rebinding is detected.
        raise UsageError(f"--web-bind {text}: means every address: give the one to be reached at.")
    return str(address)


def is_loopback(address: str) -> bool:
    """Tell whether ``address`` is reachable from this machine only."""
    return ipaddress.ip_address(address).is_loopback


def host_header(address: str, port: int) -> str:
    """Return the ``Host`` header of a browser at ``address`` and ``port``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def is_same_origin(host: str, expected_host: str, origin: str | None, *, changes: bool) -> bool:
    """Tell whether a request comes from the console's own page, or directly from its link.

    After DNS rebinding, ``Host`` is not the address. A request that ``changes`` something, or
    opens a websocket, must have an origin.
    """
    if host != expected_host:
        return False
    return not changes if origin is None else origin == f"http://{expected_host}"
