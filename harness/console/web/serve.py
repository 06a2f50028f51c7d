"""``harness console --web``: a machine, or a recorded run, served until a signal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.console.player import Player
from harness.console.station import open_station
from harness.console.web.access import bind_address
from harness.console.web.action_rows import action_rows
from harness.console.web.files import page_files
from harness.console.web.page_server import PageServer, address_warning, serving
from harness.console.web.recorded_run import RecordedRun, replay_action_rows
from harness.host.signals import on_signals
from harness.machine.acceleration import Acceleration
from harness.trial.request import Case

Say = Callable[[str], None]


def check_web(address: str) -> str:
    """Return ``address`` in the form to bind to.

    Called before a machine is started. Raises UsageError if it is invalid, or without the page.
    """
    page_files()
    return bind_address(address)


def serve_machine(case: Case, acceleration: Acceleration, address: str, say: Say) -> None:
    """Boot ``case`` and serve it at ``address``; returns at SIGINT, SIGTERM or SIGHUP.

    ``say`` gets the link. Raises what :func:`harness.console.station.open_station` raises.
    """

    async def run() -> None:
        with _ended() as ended:
            async with (
                open_station(case, acceleration, vnc=True) as station,
                serving(station, action_rows(), address) as served,
            ):
                _print_link(served, address, say)
                await ended.wait()

    asyncio.run(run())


def serve_run(run_dir: Path, address: str, say: Say) -> None:
    """Serve the run recorded in ``run_dir``; returns at SIGINT, SIGTERM or SIGHUP.

    Raises UsageError if there is no such run.
    """

    async def run() -> None:
        player = Player(run_dir)
        replayed = RecordedRun(player)
        with _ended() as ended:
            async with serving(replayed, replay_action_rows(player), address) as served:
                moving = asyncio.create_task(replayed.move())
                _print_link(served, address, say)
                await ended.wait()
                moving.cancel()
                await asyncio.gather(moving, return_exceptions=True)

    asyncio.run(run())


def _print_link(served: PageServer, address: str, say: Say) -> None:
    if warning := address_warning(address):
        say(warning)
    say(f"The console is at {served.new_link()}")
    say("The link opens once; in the page, Invite makes another. Ctrl-C ends the console.")


@contextmanager
def _ended() -> Iterator[asyncio.Event]:
    """Yield an event that a signal sets."""
    ended = asyncio.Event()
    with on_signals(lambda _: ended.set()):
        yield ended
