"""``harness check``: inspect an image without booting it."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.ending import faults_as_result, finish
from harness.cli.options import JSON, STRICT, with_profile
from harness.provider.profile import Profile
from harness.trial.check import check_image
from harness.trial.request import TrialRequest


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
    request = TrialRequest(location=image, profile=profile, strict=strict, run_dir=run_dir)
    with faults_as_result(request, as_json=as_json):
        result = check_image(request, inside=inside)
    finish(result, as_json=as_json)
