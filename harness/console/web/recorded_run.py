"""A recorded run for the page: it can be played, but not controlled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.console.player import Player
from harness.console.tap import Listener
from harness.console.view import View
from harness.errors import StateError
from harness.trial.recorder import Listener as EventListener

_TICK_S = 0.1


class RecordedRun:
    """The playback of a run for all viewers, controlled by the typist."""

    vnc_socket: Path | None = None

    def __init__(self, player: Player) -> None:
        self._player = player

    @property
    def view(self) -> View:
        """The display at the current position."""
        return self._player.view

    def watch(self, callback: EventListener) -> Callable[[], None]:
        """Call ``callback`` for past and new observations."""
        return self._player.watch(callback)

    def watch_serial(self, callback: Listener) -> Callable[[], None]:
        """Call ``callback`` with past and new serial bytes."""
        return self._player.watch_serial(callback)

    def type(self, typed: bytes) -> None:
        """Ignore the keys."""

    async def do(self, name: str, **arguments: str) -> str:
        """Play, pause, change the speed, or go to a stage."""
        player = self._player
        if name == "seek":
            player.seek(arguments.get("where", ""))
            return f"It is at {player.now_s():.1f} s."
        steps: dict[str, Callable[[], None]] = {
            "play": player.play,
            "pause": player.pause,
            "faster": player.faster,
            "slower": player.slower,
        }
        if name not in steps:
            raise StateError("This run is recorded: its machine is gone.")
        steps[name]()
        return f"It {'plays' if player.plays else 'stands still'}, {player.speed:g} times as fast."

    async def move(self) -> None:
        """Advance the playback until cancelled."""
        while True:
            self._player.tick()
            await asyncio.sleep(_TICK_S)


def replay_action_rows(player: Player) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of actions for a recorded run."""
    labels = {"play": "Play", "pause": "Pause", "slower": "Slower", "faster": "Faster"}
    stages = [
        {"label": f"{stage} ({at_s:.1f} s)", "arguments": {"where": stage}}
        for stage, at_s in player.stages_s.items()
    ]
    return (
        *(
            {"name": name, "label": label, "arguments": [], "choices": []}
            for name, label in labels.items()
        ),
        {"name": "seek", "label": "Go to stage", "arguments": [], "choices": stages},
    )
