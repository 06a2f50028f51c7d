"""``harness verify``: an image is checked, booted and judged; at one provider, or at all."""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import click
from rich.console import Console

from harness.cli.ending import faults_as_result, finish
from harness.cli.options import run_options
from harness.diagnose.rules import read_rules
from harness.errors import UsageError
from harness.examine.image_report import ImageFacts, examine, fetch, unexamined
from harness.model.stages import Until
from harness.net.checksums import Checksum
from harness.net.link import is_url
from harness.provider.profile import FIRMWARE_OPTION, Profile, load_profile, shipped_profiles
from harness.trial.case import Case, conclude
from harness.trial.run_folder import new_run_dir

if TYPE_CHECKING:
    from harness.installer.plan import Installation
    from harness.machine.acceleration import Acceleration, Choice
    from harness.machine.backend import Backend, BackendName

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def _sha256(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _SHA256.fullmatch(value):
        raise click.BadParameter("a SHA-256 is 64 hexadecimal digits.")
    return value


@click.command()
@click.argument("image", metavar="IMAGE_OR_URL")
@click.option(
    "--sha256",
    callback=_sha256,
    metavar="HEX",
    help="What a download must be.  [default: what SHA256SUMS beside it says, if there is one]",
)
@click.option(
    "--checksums",
    metavar="URL_OR_NAME",
    help="The checksum file to hold a download against, by its link, or its name beside the image.",
)
@click.option(
    "--install",
    is_flag=True,
    help="Of an installer's disc: run an installation to its end with answers of harness, and boot "
    "what it installed (docs/install.md).",
)
@click.option(
    "--answers",
    "own_answers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For --install: your own preseed, autoinstall, kickstart... in place of that of harness.",
)
@click.option(
    "--archive",
    metavar="URL",
    help="For --install: a package archive that the guest may read, at http://203.0.113.2/archive.",
)
@click.option(
    "--hold-on-fail",
    is_flag=True,
    help="Freeze the machine where it fails, and open the console on it (docs/console.md).",
)
@click.option(
    "--all-providers",
    is_flag=True,
    help="Try it at every provider that is known, and at that of --provider-file: a table. What "
    "would be the same boot is booted once.",
)
@run_options
def verify(
    image: str,
    sha256: str | None,
    checksums: str | None,
    install: bool,
    own_answers: Path | None,
    archive: str | None,
    hold_on_fail: bool,
    all_providers: bool,
    profile: Profile,
    accel: Literal["auto", "kvm", "tcg"],
    backend_name: BackendName,
    connect: str | None,
    until: Until,
    run_dir: Path | None,
    timeout_s: float | None,
    silence_s: float | None,
    counterfactual: bool,
    rules: tuple[Path, ...],
    strict: bool,
    as_json: bool,
) -> None:
    """Boot IMAGE in the provider's machine and say whether it reaches the network.

    Of an installer's disc: whether the installer runs, finds its disk and uses the NIC. A link is
    looked at first, and downloaded only if nothing speaks against it.
    """
    from harness.machine.backend import choose_backend
    from harness.report.live import Progress
    from harness.report.transfer import Transfer
    from harness.trial.boots import boot

    backend = choose_backend(backend_name, connect)
    asked = {
        "--install": install,
        "--hold-on-fail": hold_on_fail,
        "--all-providers": all_providers,
        "--backend libvirt": backend.name == "libvirt",
        "--firmware": profile.machine.firmware.source == FIRMWARE_OPTION,
    }
    _check_together({name for name, given in asked.items() if given})
    _check_backend(backend, profile)
    if hold_on_fail:
        from harness.console.opening import check_terminal

        check_terminal("--hold-on-fail")
    expected = _expected(image, sha256, checksums)
    own_rules = read_rules(rules)
    if all_providers:
        blank = Case(
            unexamined(image),
            profile,
            until,
            strict,
            silence_s,
            timeout_s,
            run_dir,
            own_rules,
            counterfactual,
        )
        _verify_everywhere(image, expected, blank, accel, as_json=as_json)
    with faults_as_result(image, profile, as_json=as_json):
        # Of a link only what says whether it is worth a download.
        facts = examine(image, profile, inside=not is_url(image))
    if facts.medium == "disc" and until != "network":
        raise UsageError(f"--until {until}: is for a disk image; a disc's installer reads no seed.")
    if (own_answers or archive) and not install:
        raise UsageError("--answers and --archive are for an installation: add --install.")
    installation = _plan(facts, own_answers, archive) if install and facts.passes else None
    with faults_as_result(image, profile, as_json=as_json):
        if facts.passes and facts.path is None:
            with Transfer(Console(stderr=True)) as transfer:
                facts = fetch(facts, image, profile, transfer, expected)
        acceleration = _acceleration(backend, accel) if facts.passes else None
    if installation and facts.passes:
        from harness.installer.plan import check_iso

        check_iso(installation, facts.file)
    case = Case(
        image=facts,
        profile=profile,
        until="rebooted" if installation else until,
        strict=strict,
        silence_s=silence_s,
        timeout_s=timeout_s,
        run_dir=run_dir or new_run_dir(facts.location),
        rules=own_rules,
        counterfactual=counterfactual,
        installation=installation,
        backend=backend,
    )
    with (
        faults_as_result(image, profile, as_json=as_json),
        Progress(Console(stderr=True)) as progress,
    ):
        if acceleration and hold_on_fail:
            from harness.console.opening import hold_on_fail as boot_and_hold

            result = boot_and_hold(case, acceleration, progress)
        elif acceleration:
            result = asyncio.run(boot(case, acceleration, progress))
        else:
            result = conclude(case, progress)
    finish(result, as_json=as_json, signal_number=progress.signal_number)


# Options that cannot be meant together.
_APART = (
    ("--hold-on-fail", "--install"),
    ("--all-providers", "--install"),
    ("--all-providers", "--hold-on-fail"),
    ("--all-providers", "--firmware"),
    ("--backend libvirt", "--install"),
    ("--backend libvirt", "--hold-on-fail"),
    ("--backend libvirt", "--all-providers"),
)


def _check_together(asked: set[str]) -> None:
    for pair in _APART:
        if asked.issuperset(pair):
            raise UsageError(f"{pair[0]} and {pair[1]}: give one of them.")


def _check_backend(backend: Backend, profile: Profile) -> None:
    if backend.is_remote and profile.machine.tpm.value:
        raise UsageError(
            f"--connect {backend.uri}: the TPM of {profile.name} is emulated on this host: it "
            "cannot be tried on another."
        )


def _acceleration(backend: Backend, accel: Choice) -> Acceleration:
    """The accelerator of the host that the machine runs on."""
    if backend.is_remote:
        from harness.machine.libvirt_remote import remote_acceleration

        return remote_acceleration(backend.uri, accel)
    from harness.machine.acceleration import choose_acceleration

    return choose_acceleration(accel)


def _verify_everywhere(
    image: str,
    expected: Checksum | str | None,
    blank: Case,
    accel: Literal["auto", "kvm", "tcg"],
    *,
    as_json: bool,
) -> NoReturn:
    """Try the image at every provider as ``blank`` says, print the table, and leave."""
    from harness.machine.acceleration import choose_acceleration
    from harness.report.everywhere import print_everywhere
    from harness.report.live import Progress
    from harness.report.transfer import Transfer
    from harness.trial.providers import as_json as everywhere_as_json
    from harness.trial.providers import exit_status, try_everywhere

    base = blank.run_dir or new_run_dir(image)
    profiles = [load_profile(name) for name in shipped_profiles()]
    if blank.profile.name not in shipped_profiles():
        profiles.append(blank.profile)

    def case_of(profile: Profile) -> Case:
        progress.title(profile.title)
        facts = examine(image, profile, inside=not is_url(image))
        if facts.medium == "disc" and blank.until != "network":
            raise UsageError(f"--until {blank.until}: is for a disk image.")
        if facts.passes and facts.path is None:
            with Transfer(Console(stderr=True)) as transfer:
                facts = fetch(facts, image, profile, transfer, expected)
        return replace(blank, image=facts, profile=profile, run_dir=base / profile.name)

    with Progress(Console(stderr=True)) as progress:
        acceleration = cache(lambda: choose_acceleration(accel))
        rows = try_everywhere(profiles, case_of, acceleration, progress)
    reasons = {row.not_tried for row in rows}
    if len(reasons) == 1 and "" not in reasons:
        raise UsageError(reasons.pop())
    if as_json:
        click.echo(everywhere_as_json(rows))
    else:
        print_everywhere(Console(), image, rows)
    sys.exit(exit_status(rows))


def _expected(image: str, sha256: str | None, checksums: str | None) -> Checksum | str | None:
    """What a download must be, or the checksum file that says it; None where nothing was given.

    Raises UsageError where that cannot be meant.
    """
    if (sha256 or checksums) and not is_url(image):
        option = "--sha256" if sha256 else "--checksums"
        raise UsageError(f"{option}: is for a link; sha256sum checks a file.")
    if sha256 and checksums:
        raise UsageError("--sha256 and --checksums: give one of them.")
    return Checksum("sha256", sha256.lower(), "--sha256") if sha256 else checksums


def _plan(facts: ImageFacts, own_answers: Path | None, archive: str | None) -> Installation:
    """The installation that is asked for; raises UsageError where there is none of this image."""
    from harness.installer.answers import user_answers
    from harness.installer.plan import plan_installation

    own = user_answers(own_answers) if own_answers else None
    return plan_installation(facts.location, facts.iso, own, archive)
