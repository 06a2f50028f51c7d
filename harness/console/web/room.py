"""What the viewers of a console share: the machine, the door, and who is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from aiohttp import web

from harness.console.web.access import AccessControl, Viewer
from harness.console.web.feed import Feed
from harness.errors import StateError, UsageError
from harness.trial.recorder import Listener as EventListener

# QEMU opens any file of the one who runs it, when it is told to.
_FIRST_VIEWER_ONLY = frozenset({"qmp"})

Unwatch = Callable[[], None]


class SnapshotSource(Protocol):
    """What a page shows of a machine."""

    def snapshot(self) -> dict[str, Any]:
        """JSON values; all text of the guest is printable."""


class ConsoleMachine(Protocol):
    """A machine as a page needs it: a station, or the player of a recorded run."""

    @property
    def view(self) -> SnapshotSource:
        """What is known of it."""

    @property
    def vnc_socket(self) -> Path | None:
        """Where QEMU serves its screen; None where it serves none."""

    def watch(self, callback: EventListener) -> Unwatch:
        """Call ``callback`` with all observations, and the diagnosis of their boot."""

    def watch_serial(self, callback: Callable[[bytes], None]) -> Unwatch:
        """Call ``callback`` with all bytes of the serial line."""

    def type(self, typed: bytes) -> None:
        """Type on the serial line."""

    async def do(self, name: str, **arguments: str) -> str:
        """Do an action; a sentence of what came of it. Raises UsageError."""


class Room:
    """A machine with those who look at it; belongs to one loop."""

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
        """Note a websocket of ``viewer``."""
        viewer.sockets += 1
        self.sockets.add(socket)
        self.feed.change()

    def remove_socket(self, viewer: Viewer, socket: web.WebSocketResponse) -> None:
        """Note that it is over."""
        viewer.sockets -= 1
        self.sockets.discard(socket)
        self.feed.change()

    async def do(self, viewer: Viewer, name: str, arguments: Mapping[str, str]) -> str:
        """What ``viewer`` asks for, in a sentence of what came of it. Raises UsageError."""
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
        said = await self.guest.do(name, **arguments)
        self.feed.change()
        return said


Room.KEY = web.AppKey("room", Room)
