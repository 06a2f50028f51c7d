"""``harness console``: a person at the machine of an image, or at a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from harness.cli.ending import finish
from harness.cli.options import ACCEL, RUN_DIR, with_profile
from harness.errors import UsageError
from harness.examine.image_report import examine, fetch
from harness.net.link import is_url
from harness.provider.profile import Profile
from harness.trial.case import Case, conclude
from harness.trial.run_folder import new_run_dir


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
    from harness.console.opening import check_terminal, is_run, open_console, open_replay

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
    from harness.machine.acceleration import choose_acceleration
    from harness.report.transfer import Transfer

    facts = examine(target, profile, inside=not is_url(target))
    if facts.passes and facts.path is None:
        with Transfer(Console(stderr=True)) as transfer:
            facts = fetch(facts, target, profile, transfer, None)
    folder = run_dir or new_run_dir(facts.location)
    case = Case(facts, profile, "network", False, None, None, folder, counterfactual=False)
    if not facts.passes:
        finish(conclude(case, lambda _: None), as_json=False)
    if address:
        from harness.console.web.serve import serve_machine

        serve_machine(case, choose_acceleration(accel), address, click.echo)
    else:
        open_console(case, choose_acceleration(accel))


def _web_address(wished: str | None) -> str:
    """Where a page is served; raises UsageError for no such address, or without the page."""
    from harness.console.web.serve import check_web

    return check_web(wished or "127.0.0.1")
