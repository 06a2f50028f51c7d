"""``harness console``: an interactive console on the VM of an image, or on a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from harness.cli.ending import finish
from harness.cli.options import ACCEL, RUN_DIR, with_profile
from harness.errors import UsageError
from harness.provider.profile import Profile
from harness.trial.prepare import acceleration_for, prepare
from harness.trial.recorder import conclude
from harness.trial.request import TrialRequest


@click.command("console")
@click.argument("target", metavar="IMAGE_OR_URL_OR_RUN")
@with_profile
@ACCEL
@RUN_DIR
@click.option("--web", is_flag=True, help="Serve it to a browser, by a link that opens once.")
@click.option(
    "--web-bind",
    metavar="ADDRESS",
    help="The address to serve it at.  [default: 127.0.0.1, for this machine alone]",
)
def console(
    target: str,
    profile: Profile,
    accel: Literal["auto", "kvm", "tcg"],
    run_dir: Path | None,
    web: bool,
    web_bind: str | None,
) -> None:
    """Sit at the machine of an image; or see a recorded RUN again, and what was drawn from it.

    The same machine and seed as of harness verify, with a keyboard (docs/console.md).
    """
    from harness.console.terminal_session import check_terminal, is_run, open_console, open_replay

    address = _web_address(web_bind) if web else None
    if address is None:
        if web_bind:
            raise UsageError("--web-bind: is for --web.")
        check_terminal("harness console")
    if is_run(target):
        if address:
            from harness.console.web.serve import serve_run

            serve_run(Path(target), address, click.echo)
        else:
            open_replay(Path(target))
        return
    from harness.report.download_progress import DownloadProgress

    request = TrialRequest(
        location=target, profile=profile, accel=accel, run_dir=run_dir, counterfactual=False
    )
    case = prepare(request, lambda: DownloadProgress(Console(stderr=True)))
    if not case.image.passes:
        finish(conclude(case), as_json=False)
    acceleration = acceleration_for(request)
    if address:
        from harness.console.web.serve import serve_machine

        serve_machine(case, acceleration, address, click.echo)
    else:
        open_console(case, acceleration)


def _web_address(requested: str | None) -> str:
    """Return the address to serve at; raises UsageError if it is invalid, or without the page."""
    from harness.console.web.serve import check_web

    return check_web(requested or "127.0.0.1")
