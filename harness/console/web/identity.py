"""The identity of a request: the address that it was sent to, and its viewer."""

from __future__ import annotations

from aiohttp import web

from harness.console.web.access import Viewer, host_header
from harness.console.web.room import Room


def own_host(request: web.Request) -> str:
    """Return the local address and port of the connection of ``request``."""
    transport = request.transport
    address, port = transport.get_extra_info("sockname")[:2] if transport else ("", 0)
    return host_header(address, port)


def cookie_name(request: web.Request) -> str:
    """Return the name of the cookie that holds the session."""
    # Cookies ignore ports: two consoles on one machine must not share one.
    return f"harness-console-{own_host(request).rpartition(':')[2]}"


def find_viewer(request: web.Request) -> Viewer | None:
    """Return the viewer who sent ``request``; None if its cookie is not a session."""
    session = request.cookies.get(cookie_name(request), "")
    return request.app[Room.KEY].access.viewer(session)


def require_viewer(request: web.Request) -> Viewer:
    """Return the viewer who sent ``request``; raises HTTPUnauthorized if missing."""
    viewer = find_viewer(request)
    if viewer is None:
        raise web.HTTPUnauthorized
    return viewer
