"""``harness providers``: the claims about each provider, with their sources."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from harness.cli.invocation import note_json
from harness.errors import UsageError
from harness.provider.profile import load_profile, read_profile, shipped_profiles
from harness.report.profiles import print_profile, print_profiles


@click.command()
@click.argument("name", required=False)
@click.option(
    "--provider-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Show a profile of your own; it is validated as those that ship are.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=note_json,
    help="Print the profile as JSON on stdout.",
)
def providers(name: str | None, provider_file: Path | None, as_json: bool) -> None:
    """Say what is known of provider NAME, with the source of every claim; without NAME, list all.

    A claim is measured (read off the real hardware), documented, reported by users, inferred from
    others, chosen since nothing hangs on it, or unknown: then its value is a guess that is named.
    """
    if name and provider_file:
        raise UsageError("providers: give NAME or --provider-file, not both.")
    if name or provider_file:
        profile = read_profile(provider_file) if provider_file else load_profile(str(name))
        if as_json:
            click.echo(profile.model_dump_json(indent=2))
        else:
            print_profile(Console(), profile)
        return
    profiles = [load_profile(name) for name in shipped_profiles()]
    if as_json:
        click.echo(json.dumps([row.model_dump(mode="json") for row in profiles], indent=2))
    else:
        print_profiles(Console(), profiles)
