"""The state that the viewers of a console share: the machine, access control, open sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from aiohttp import web

from harness.console.web.access import AccessControl, Viewer
from harness.console.web.feed import Feed
from harness.errors import StateError, UsageError
from harness.trial.recorder import Listener as EventListener

# A QMP command can make QEMU open any file of the user who runs it.
_FIRST_VIEWER_ONLY = frozenset({"qmp"})

Unwatch = Callable[[], None]


class SnapshotSource(Protocol):
    """A display that has a snapshot."""

    def snapshot(self) -> dict[str, Any]:
        """Return JSON values; all guest text is printable."""


class ConsoleMachine(Protocol):
    """A machine for the page: a station, or a recorded run."""

    @property
    def view(self) -> SnapshotSource:
        """The display of the machine."""

    @property
    def vnc_socket(self) -> Path | None:
        """The socket of QEMU's VNC server; None without one."""

    def watch(self, callback: EventListener) -> Unwatch:
        """Call ``callback`` with all observations, and the diagnosis of their boot."""

    def watch_serial(self, callback: Callable[[bytes], None]) -> Unwatch:
        """Call ``callback`` with all bytes of the serial line."""

    def type(self, typed: bytes) -> None:
        """Type on the serial line."""

    async def do(self, name: str, **arguments: str) -> str:
        """Perform an action, and return its effect in a sentence. Raises UsageError."""


class Room:
    """A machine and its viewers; belongs to one event loop."""

    KEY: ClassVar[web.AppKey[Room]]

    def __init__(
        self,
        guest: ConsoleMachine,
        access: AccessControl,
        actions: tuple[Mapping[str, Any], ...],
        link: Callable[[], str],
    ) -> None:
        self.guest = guest
        self.access = access
        self.actions = actions
        self.feed = Feed(self._snapshot)
        self.sockets: set[web.WebSocketResponse] = set()
        self._link = link
        guest.watch(lambda *_: self.feed.change())

    def _snapshot(self) -> dict[str, Any]:
        typist = self.access.typist
        here = [viewer.name for viewer in self.access.viewers if viewer.sockets]
        return {
            "kind": "view",
            "view": self.guest.view.snapshot(),
            "typist": typist.name if typist else None,
            "viewers": here,
            "has_screen": self.guest.vnc_socket is not None,
        }

    def add_socket(self, viewer: Viewer, socket: web.WebSocketResponse) -> None:
        """Add a websocket of ``viewer``."""
        viewer.sockets += 1
        self.sockets.add(socket)
        self.feed.change()

    def remove_socket(self, viewer: Viewer, socket: web.WebSocketResponse) -> None:
        """Remove a websocket of ``viewer``."""
        viewer.sockets -= 1
        self.sockets.discard(socket)
        self.feed.change()

    async def do(self, viewer: Viewer, name: str, arguments: Mapping[str, str]) -> str:
        """Do an action for ``viewer``, and return its effect as a sentence. Raises UsageError."""
        if name == "take-over":
            self.access.take_over(viewer)
            self.feed.change()
            return ""
        if self.access.typist is not viewer:
            raise StateError("Somebody else types: take over first.")
        if name == "invite":
            return self._link()
        if name in _FIRST_VIEWER_ONLY and self.access.viewers[0] is not viewer:
            raise StateError("Only who came in first gives QEMU commands: they reach its host.")
        if name not in {action["name"] for action in self.actions}:
            raise UsageError(f"There is no action {name!r}.")
        effect = await self.guest.do(name, **arguments)
        self.feed.change()
        return effect


Room.KEY = web.AppKey("room", Room)
