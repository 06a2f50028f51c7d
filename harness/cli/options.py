"""Command-line options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.cli.invocation import note_json
from harness.diagnose.rules import read_rules
from harness.errors import UsageError
from harness.machine.launch import BACKENDS, choose_backend
from harness.model.hardware import Firmware
from harness.net.checksums import Checksum
from harness.net.link import is_url
from harness.provider.profile import DEFAULT, Profile, load_profile, read_profile
from harness.trial.request import InstallationRequest, Rules, TrialRequest

ACCEL = click.option(
    "--accel",
    type=click.Choice(["auto", "kvm", "tcg"]),
    default="auto",
    show_default=True,
    help="auto takes KVM where it runs 64-bit code, else emulation (TCG).",
)
BACKEND = click.option(
    "--backend",
    "backend_name",
    type=click.Choice(list(BACKENDS)),
    default=next(iter(BACKENDS)),
    show_default=True,
    help=f"Who starts the machine: {', or '.join(row.starter for row in BACKENDS.values())}.",
)
CONNECT = click.option(
    "--connect",
    metavar="URI",
    help="  ".join(
        f"For --backend {name}: {row.address.help}" for name, row in BACKENDS.items() if row.address
    ),
)
EXCLUDED_BY_BACKENDS = tuple(
    (f"--backend {name}", other) for name, row in BACKENDS.items() for other in row.not_with
)
"""Each backend with an option that it excludes."""
COUNTERFACTUAL = click.option(
    "--counterfactual/--no-counterfactual",
    default=True,
    help="Boot once more with one thing changed where that settles the cause of a failure."
    "  [default: counterfactual]",
)


def _rule_tables(_: click.Context, __: click.Parameter, paths: tuple[Path, ...]) -> Rules:
    return read_rules(paths)


def _rules_option(callback: Callable[..., Any] | None = None) -> Callable[..., Any]:
    return click.option(
        "--rules",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        callback=callback,
        help="A table of rules of your own, which go before those of harness (docs/rules.md).",
    )


RULES = _rules_option()
RULE_TABLES = _rules_option(_rule_tables)
"""The same, read: a command gets the location and the text of each table."""
JSON = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=note_json,
    help="Print the result object on stdout, and nothing else.",
)

_PROVIDER_OPTIONS = (
    click.option(
        "--provider",
        default=DEFAULT,
        show_default=True,
        metavar="NAME",
        help="Whose limits and machine (harness providers).",
    ),
    click.option(
        "--provider-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A profile of your own in place of one that ships (docs/providers.md).",
    ),
    click.option(
        "--firmware",
        type=click.Choice(["bios", "uefi"]),
        help="The machine's firmware.  [default: the provider's]",
    ),
)


def with_profile(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose a provider; the command gets one argument ``profile``.

    Raises UsageError at the call for a profile that is missing or invalid.
    """

    @wraps(command)
    def called(
        *args: Any,
        provider: str,
        provider_file: Path | None,
        firmware: Firmware | None,
        **others: Any,
    ) -> Any:
        source = click.get_current_context().get_parameter_source("provider")
        if provider_file and source is not ParameterSource.DEFAULT:
            raise UsageError("--provider and --provider-file: give one of them.")
        profile = read_profile(provider_file) if provider_file else load_profile(provider)
        return command(*args, profile=profile.with_firmware(firmware), **others)

    chosen: Callable[..., Any] = called
    for option in reversed(_PROVIDER_OPTIONS):
        chosen = option(chosen)
    return chosen


RUN_DIR = click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Where the evidence goes.  [default: a new folder under ~/.local/state/harness/runs]",
)
STRICT = click.option("--strict", is_flag=True, help="A warning is a fail.")


def report_options(helps: Mapping[str, str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option for a report of each format, by the format's name and what the option's help is."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, text in reversed(list(helps.items())):
            path = click.Path(path_type=Path)
            command = click.option(f"--{name}", type=path, metavar="FILE", help=text)(command)
        return command

    return decorate


_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def _sha256(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _SHA256.fullmatch(value):
        raise click.BadParameter("a SHA-256 is 64 hexadecimal digits.")
    return value


_TRIAL_OPTIONS = (
    click.option(
        "--sha256",
        callback=_sha256,
        metavar="HEX",
        help="What a download must be.  [default: what SHA256SUMS beside it says, if there is one]",
    ),
    click.option(
        "--checksums",
        metavar="URL_OR_NAME",
        help="The checksum file to hold a download against, by its link, or its name beside the "
        "image.",
    ),
    click.option(
        "--install",
        is_flag=True,
        help="Of an installer's disc: run an installation to its end with answers of harness, and "
        "boot what it installed (docs/install.md).",
    ),
    click.option(
        "--answers",
        "own_answers",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="For --install: your own preseed, autoinstall, kickstart... in place of that of "
        "harness.",
    ),
    click.option(
        "--archive",
        metavar="URL",
        help="For --install: a package archive that the guest may read, at "
        "http://203.0.113.2/archive.",
    ),
)
_BOOT_OPTIONS = (
    with_profile,
    ACCEL,
    BACKEND,
    CONNECT,
    click.option(
        "--until",
        type=click.Choice(["network", "seed", "ready"]),
        default="network",
        show_default=True,
        help="How far a boot must come: the network proved, the seed's call back, the end of "
        "cloud-init.",
    ),
    RUN_DIR,
    click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=1),
        metavar="SECONDS",
        help="Give up after this long.  [default: 20 minutes, more on a slow host]",
    ),
    click.option(
        "--silence",
        "silence_s",
        type=click.FloatRange(min=1),
        metavar="SECONDS",
        help="Call the guest hung after this long without a sign of life.  [default: 150, "
        "more on a slow host]",
    ),
    COUNTERFACTUAL,
    RULE_TABLES,
    STRICT,
)


def trial_options(*own: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of a trial; the command gets one argument ``request`` in place of them.

    ``own`` are options of the command, listed between those of the image and of the boot.
    Raises UsageError for options that exclude each other.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def called(*args: Any, **given: Any) -> Any:
            request, others = _trial_request(given)
            return command(*args, request=request, **others)

        chosen: Callable[..., Any] = called
        options: tuple[Callable[..., Any], ...] = (*_TRIAL_OPTIONS, *own, *_BOOT_OPTIONS)
        for option in reversed(options):
            chosen = option(chosen)
        return chosen

    return decorate


def _trial_request(given: dict[str, Any]) -> tuple[TrialRequest, dict[str, Any]]:
    """Return the request that the options ask for, and the options that are not part of it."""
    others = dict(given)
    take = others.pop
    image: str = take("image")
    backend = choose_backend(take("backend_name"), take("connect"))
    profile: Profile = take("profile")
    if backend.is_remote and profile.machine.tpm.value:
        raise UsageError(
            f"--connect {backend.uri}: the TPM of {profile.name} is emulated on this host: it "
            "cannot be tried on another."
        )
    installs, own_answers, archive = take("install"), take("own_answers"), take("archive")
    if (own_answers or archive) and not installs:
        raise UsageError("--answers and --archive are for an installation: add --install.")
    install = InstallationRequest(own_answers=own_answers, archive=archive)
    request = TrialRequest(
        location=image,
        profile=profile,
        until=take("until"),
        strict=take("strict"),
        silence_s=take("silence_s"),
        timeout_s=take("timeout_s"),
        run_dir=take("run_dir"),
        rules=take("rules"),
        counterfactual=take("counterfactual"),
        backend=backend,
        accel=take("accel"),
        expected=_expected(image, take("sha256"), take("checksums")),
        installation=install if installs else None,
    )
    return request, others


def _expected(image: str, sha256: str | None, checksums: str | None) -> Checksum | str | None:
    """Return the expected checksum of a download, or the name of its checksum file; None without.

    Raises UsageError for options that exclude each other or a local file.
    """
    if (sha256 or checksums) and not is_url(image):
        option = "--sha256" if sha256 else "--checksums"
        raise UsageError(f"{option}: is for a link; sha256sum checks a file.")
    if sha256 and checksums:
        raise UsageError("--sha256 and --checksums: give one of them.")
    return Checksum("sha256", sha256.lower(), "--sha256") if sha256 else checksums
