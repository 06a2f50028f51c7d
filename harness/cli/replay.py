"""``harness replay``: judge a recording again."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.ending import faults_as_result, finish
from harness.cli.options import JSON, RULE_TABLES
from harness.errors import UsageError
from harness.trial.check import default_request
from harness.trial.console_log import judge_console_log, judge_screen
from harness.trial.replay import replay as judged_again
from harness.trial.request import Rules
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
@RULE_TABLES
@JSON
def replay(
    run: Path | None,
    serial: Path | None,
    screen: Path | None,
    rules: Rules,
    as_json: bool,
) -> None:
    """Judge the recorded RUN again, from its evidence alone; or a console from any cloud."""
    if [run, serial, screen].count(None) != 2:
        raise UsageError(
            "replay: name one of: the folder of a run, a console log with --serial, a screenshot "
            "with --screen."
        )
    request = default_request(str(run or serial or screen))
    with faults_as_result(request, as_json=as_json):
        result = _judged(run, serial, screen, rules)
    finish(result, as_json=as_json)


def _judged(run: Path | None, serial: Path | None, screen: Path | None, rules: Rules) -> Result:
    """Return the result of the one argument that is not None."""
    if run:
        return judged_again(run, rules)
    if serial:
        return judge_console_log(serial, rules)
    return judge_screen(screen or Path(), rules)
