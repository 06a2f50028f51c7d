"""Console sessions in a terminal: an image, a recorded run, a machine that has just failed."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.console.player import Player
from harness.console.station import Station, open_station
from harness.errors import FaultError, UsageError
from harness.host.racing import first_of
from harness.host.signals import on_signals
from harness.machine.acceleration import Acceleration
from harness.report.run_progress import RunProgress
from harness.trial.boot import ended_by_signals
from harness.trial.prepare import Fetching, acceleration_for, prepare
from harness.trial.recorder import conclude
from harness.trial.request import Case, TrialRequest
from harness.trial.result import EVIDENCE_FILE, RESULT_FILE, Result

if TYPE_CHECKING:
    from harness.console.terminal import ExitChoice


def check_terminal(what: str) -> None:
    """Raise UsageError without an interactive terminal; ``what`` is what needs one."""
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{what}: needs a terminal, and this is none.")


def is_run(target: str) -> bool:
    """Tell whether ``target`` is a run folder."""
    return (Path(target) / EVIDENCE_FILE).is_file()


def open_replay(run_dir: Path) -> None:
    """Show a recorded run until the person leaves. Raises UsageError if missing."""
    player = Player(run_dir)
    player.play()
    asyncio.run(_show(player))


def open_console(case: Case, acceleration: Acceleration) -> None:
    """Boot the case with a console on it; everything that was started is ended afterwards."""
    asyncio.run(_console(case, acceleration))
    click.echo(f"The run is in {case.folder}: harness console {case.folder} shows it again.")


async def _console(case: Case, acceleration: Acceleration) -> None:
    async with open_station(case, acceleration, vnc=True) as station:
        await run_terminal(station)


def try_and_hold(request: TrialRequest, progress: RunProgress, fetching: Fetching) -> Result:
    """Try the image; if it fails, freeze its machine and open a console on it.

    The result is that of the verdict, whatever the person does. There is no counterfactual boot:
    the person may ask for one. Raises UsageError without an interactive terminal, and as
    :func:`harness.trial.trial.try_image` does.
    """
    check_terminal("--hold-on-fail")
    case = prepare(request, fetching)
    if not case.image.passes:
        return conclude(case, progress)
    acceleration = acceleration_for(request)
    with suppress(FaultError):
        # A fault of this host is in the record, and so in the result.
        asyncio.run(_hold(case, acceleration, progress))
    return Result.model_validate_json((case.folder / RESULT_FILE).read_bytes())


async def _hold(case: Case, acceleration: Acceleration, progress: RunProgress) -> None:
    async with open_station(case, acceleration, vnc=True) as station:
        show_no_more = station.watch(progress)
        with ended_by_signals(station.live_run.recorder):
            await station.decided()
        if station.result().outcome == "fail":
            await station.do("freeze")
            # The progress line would be drawn over the application.
            show_no_more()
            progress.__exit__()
            await run_terminal(station)


async def run_terminal(station: Station) -> None:
    """Run the terminal application until the person leaves.

    On request the machine runs on without the application, until SIGINT, SIGTERM or SIGHUP, or
    until it ends.
    """
    if await _show(station) == "keep":
        await _keep(station)


async def _show(station: Station | Player) -> ExitChoice | None:
    # Imported here, so that a missing terminal is reported at once.
    from harness.console.terminal import ConsoleApp

    app = ConsoleApp(station)
    with on_signals(lambda _: app.exit("end")):
        return await app.run_async()


async def _keep(station: Station) -> None:
    asked = asyncio.Event()
    # Before the text that names the key: a reader may press it at once.
    with on_signals(lambda _: asked.set()):
        click.echo("The machine is kept until Ctrl-C. Log in to the guest, or look at its screen:")
        click.echo(f"  {await station.do('ssh-command')}")
        click.echo(f"  a VNC viewer at {station.vnc_socket}")
        click.echo(f"  tail -f {station.folder_now / 'serial.log'}")
        await first_of(station.live_run.run.machine.ended(), asked.wait())
