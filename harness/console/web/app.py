"""The web application of the page: its routes, and the checks of every request.

A request is answered if ``Host`` is the address it was sent to, its origin is the console's own,
and its cookie is a session. Without a session only the door is served: a page that exchanges the
token in a link for one. The token is in the fragment of the link, which no browser sends or
passes on.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.console.web import sockets
from harness.console.web.access import is_same_origin
from harness.console.web.files import PageFile
from harness.console.web.identity import cookie_name, find_viewer, own_host, require_viewer
from harness.console.web.room import Room
from harness.errors import HarnessError, StateError
from harness.evidence.guest_text import printable
from harness.host.bugs import as_fault

_MAX_BODY_BYTES = 64 << 10
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PUBLIC_PATHS = frozenset({"/door.js", "/enter"})
_FILES = web.AppKey("files", dict[str, PageFile])
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _EntryRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    token: str = Field(max_length=200)


class _ActionRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(max_length=40)
    arguments: dict[str, str] = {}


def new_app(room: Room, files: Mapping[str, PageFile]) -> web.Application:
    """Return the application that serves ``room``."""
    app = web.Application(middlewares=[_bugs, _guard], client_max_size=_MAX_BODY_BYTES)
    app[Room.KEY] = room
    app[_FILES] = dict(files)
    app.add_routes(
        [
            web.get("/", _page),
            web.get("/door.js", _door_script),
            web.post("/enter", _enter),
            web.get("/static/{name:.+}", _static),
            web.get("/ws/serial", sockets.serial),
            web.get("/ws/vnc", sockets.screen),
            web.get("/ws/events", sockets.events),
            web.post("/do", _do),
        ]
    )
    app.on_response_prepare.append(_add_headers)
    return app


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    response.headers["Content-Security-Policy"] = _POLICY.format(host=own_host(request))


@web.middleware
async def _bugs(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Answer an unexpected exception with one sentence; the console keeps running."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:
        sentence = str(as_fault(error))
    if request.path == "/do":
        return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, sentence)
    return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, sentence)


@web.middleware
async def _guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
    origin = request.headers.get("Origin")
    changes = request.method not in ("GET", "HEAD") or request.path.startswith("/ws/")
    if not is_same_origin(request.host, own_host(request), origin, changes=changes):
        return _refusal(HTTPStatus.FORBIDDEN, "This is not the address of the console.")
    if request.path in _PUBLIC_PATHS:
        return await handler(request)
    if find_viewer(request) is None:
        if request.path == "/":
            door = request.app[_FILES]["door.html"]
            return web.Response(
                body=door.body, content_type=door.content_type, charset="utf-8", status=401
            )
        return _refusal(HTTPStatus.UNAUTHORIZED, "Open the link that harness console printed.")
    return await handler(request)


def _refusal(status: HTTPStatus, sentence: str) -> web.Response:
    return web.Response(text=f"{sentence}\n", status=status)


def _file_response(file: PageFile) -> web.Response:
    return web.Response(body=file.body, content_type=file.content_type, charset="utf-8")


async def _page(request: web.Request) -> web.Response:
    return _file_response(request.app[_FILES]["index.html"])


async def _door_script(request: web.Request) -> web.Response:
    return _file_response(request.app[_FILES]["door.js"])


async def _static(request: web.Request) -> web.Response:
    file = request.app[_FILES].get(request.match_info["name"])
    return (
        _file_response(file) if file else _refusal(HTTPStatus.NOT_FOUND, "There is no such file.")
    )


async def _enter(request: web.Request) -> web.Response:
    try:
        entry = _EntryRequest.model_validate(await request.json())
        session = request.app[Room.KEY].access.enter(entry.token)
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError):
        return _refusal(HTTPStatus.BAD_REQUEST, "This is no token.")
    except StateError as error:
        return _refusal(HTTPStatus.FORBIDDEN, str(error))
    if session is None:
        return _refusal(HTTPStatus.FORBIDDEN, "This link was used, or never was one.")
    response = web.Response(status=HTTPStatus.NO_CONTENT)
    response.set_cookie(cookie_name(request), session, path="/", httponly=True, samesite="Strict")
    return response


async def _do(request: web.Request) -> web.Response:
    try:
        asked = _ActionRequest.model_validate(await request.json())
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError):
        return _answer(HTTPStatus.BAD_REQUEST, "This is no action.")
    try:
        effect = await request.app[Room.KEY].do(
            require_viewer(request), asked.name, asked.arguments
        )
    except HarnessError as error:
        return _answer(HTTPStatus.CONFLICT, str(error))
    return _answer(HTTPStatus.OK, effect)


def _answer(status: HTTPStatus, sentence: str) -> web.Response:
    return web.json_response({"said": printable(sentence, 2000)}, status=status)
