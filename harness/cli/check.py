"""``harness check``: an image is looked at, and not booted."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.ending import faults_as_result, finish
from harness.cli.options import JSON, STRICT, with_profile
from harness.examine.image_report import examine
from harness.provider.profile import Profile
from harness.trial.case import Case, conclude


@click.command()
@click.argument("image", metavar="IMAGE_OR_URL")
@with_profile
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Keep what was found there, for harness replay.  [default: nothing is kept]",
)
@click.option(
    "--inside/--no-inside",
    default=True,
    help="Look at the system on the disk, too, and predict its boot.  [default: inside]",
)
@STRICT
@JSON
def check(
    image: str,
    profile: Profile,
    run_dir: Path | None,
    inside: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Look at IMAGE without booting it: what it is, what is in it, what speaks against it.

    Of a link only what is needed is fetched: with --no-inside, less than a megabyte.
    """
    with faults_as_result(image, profile, as_json=as_json):
        facts = examine(image, profile, inside=inside)
        case = Case(facts, profile, "network", strict, None, None, run_dir)
        result = conclude(case, lambda _: None)
    finish(result, as_json=as_json)
