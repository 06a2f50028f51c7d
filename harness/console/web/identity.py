"""What a request shows of itself: the address it came to, and whose it is."""

from __future__ import annotations

from aiohttp import web

from harness.console.web.access import Viewer, host_header
from harness.console.web.room import Room


def own_host(request: web.Request) -> str:
    """The address and port that the connection of ``request`` came to."""
    transport = request.transport
    address, port = transport.get_extra_info("sockname")[:2] if transport else ("", 0)
    return host_header(address, port)


def cookie_name(request: web.Request) -> str:
    """The name of the cookie that holds the session."""
    # Cookies know no ports: consoles on one machine must not take each other's.
    return f"harness-console-{own_host(request).rpartition(':')[2]}"


def find_viewer(request: web.Request) -> Viewer | None:
    """Who sent ``request``; None where its cookie is no session."""
    session = request.cookies.get(cookie_name(request), "")
    return request.app[Room.KEY].access.viewer(session)


def require_viewer(request: web.Request) -> Viewer:
    """Who sent ``request``, which went through the guard: raises HTTPUnauthorized else."""
    viewer = find_viewer(request)
    if viewer is None:
        raise web.HTTPUnauthorized
    return viewer
