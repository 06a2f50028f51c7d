"""``harness replay``: what was recorded is judged again."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.ending import faults_as_result, finish
from harness.cli.options import JSON, RULES
from harness.diagnose.rules import read_rules
from harness.errors import UsageError
from harness.provider.profile import DEFAULT, load_profile
from harness.trial.console_log import judge_console_log, judge_screen
from harness.trial.replay import replay as judged_again
from harness.trial.request import TrialRequest
from harness.trial.result import Result


@click.command("replay")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option(
    "--serial",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Judge a console log from anywhere, in place of a run.",
)
@click.option(
    "--screen",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Judge a screenshot (PNG or PPM) from anywhere, in place of a run.",
)
@RULES
@JSON
def replay(
    run: Path | None,
    serial: Path | None,
    screen: Path | None,
    rules: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Judge the recorded RUN again, from its evidence alone; or a console from any cloud."""
    own = read_rules(rules)
    if [run, serial, screen].count(None) != 2:
        raise UsageError(
            "replay: name one of: the folder of a run, a console log with --serial, a screenshot "
            "with --screen."
        )
    request = TrialRequest(location=str(run or serial or screen), profile=load_profile(DEFAULT))
    with faults_as_result(request, as_json=as_json):
        result = _judged(run, serial, screen, own)
    finish(result, as_json=as_json)


def _judged(
    run: Path | None, serial: Path | None, screen: Path | None, own: tuple[tuple[str, str], ...]
) -> Result:
    """The result of the one of them that is not None."""
    if run:
        return judged_again(run, own)
    if serial:
        return judge_console_log(serial, own)
    return judge_screen(screen or Path(), own)
