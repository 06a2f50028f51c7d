"""``harness verify``: check, boot and judge an image, at one provider or at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click
from rich.console import Console

from harness.cli.ending import faults_as_result, finish
from harness.cli.options import EXCLUDED_BY_BACKENDS, JSON, trial_options
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.trial.request import TrialRequest

_HOLD_ON_FAIL = click.option(
    "--hold-on-fail",
    is_flag=True,
    help="Freeze the machine where it fails, and open the console on it (docs/console.md).",
)
_ALL_PROVIDERS = click.option(
    "--all-providers",
    is_flag=True,
    help="Try it at every provider that is known, and at that of --provider-file: a table. What "
    "would be the same boot is booted once.",
)


@click.command()
@click.argument("image", metavar="IMAGE_OR_URL")
@trial_options(_HOLD_ON_FAIL, _ALL_PROVIDERS)
@JSON
def verify(request: TrialRequest, hold_on_fail: bool, all_providers: bool, as_json: bool) -> None:
    """Boot IMAGE in the provider's machine and say whether it reaches the network.

    Of an installer's disc: whether the installer runs, finds its disk and uses the NIC. A link is
    looked at first, and downloaded only if nothing speaks against it.
    """
    from harness.report.download_progress import DownloadProgress
    from harness.report.run_progress import RunProgress
    from harness.trial.trial import try_image

    _check_together(request, hold_on_fail=hold_on_fail, all_providers=all_providers)
    if all_providers:
        _verify_everywhere(request, as_json=as_json)

    def fetching() -> DownloadProgress:
        return DownloadProgress(Console(stderr=True))

    with RunProgress(Console(stderr=True)) as progress, faults_as_result(request, as_json=as_json):
        if hold_on_fail:
            from harness.console.terminal_session import try_and_hold

            result = try_and_hold(request, progress, fetching)
        else:
            result = try_image(request, progress, fetching)
    finish(result, as_json=as_json, signal_number=progress.signal_number)


# Options that exclude each other.
_EXCLUSIVE_OPTIONS = (
    ("--hold-on-fail", "--install"),
    ("--all-providers", "--install"),
    ("--all-providers", "--hold-on-fail"),
    ("--all-providers", "--firmware"),
    *EXCLUDED_BY_BACKENDS,
)


def _check_together(request: TrialRequest, *, hold_on_fail: bool, all_providers: bool) -> None:
    asked = {
        "--install": request.installation is not None,
        "--hold-on-fail": hold_on_fail,
        "--all-providers": all_providers,
        f"--backend {request.backend.name}": True,
        "--firmware": request.profile.has_firmware_of_user,
    }
    given = {name for name, is_given in asked.items() if is_given}
    for pair in _EXCLUSIVE_OPTIONS:
        if given.issuperset(pair):
            raise UsageError(f"{pair[0]} and {pair[1]}: give one of them.")


def _verify_everywhere(request: TrialRequest, *, as_json: bool) -> NoReturn:
    """Try the image at every provider, print the table, and exit."""
    from harness.report.download_progress import DownloadProgress
    from harness.report.provider_table import print_provider_table
    from harness.report.run_progress import RunProgress
    from harness.trial.providers import as_json as everywhere_as_json
    from harness.trial.providers import exit_status, requests_for_providers, try_at_providers

    with RunProgress(Console(stderr=True)) as progress:
        rows = try_at_providers(
            requests_for_providers(request),
            progress,
            lambda: DownloadProgress(Console(stderr=True)),
            lambda profile: progress.title(profile.title),
        )
    if as_json:
        click.echo(everywhere_as_json(rows))
    else:
        print_provider_table(Console(), request.location, rows)
    sys.exit(exit_status(rows))
