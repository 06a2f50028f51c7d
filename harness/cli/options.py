"""Options of the command line that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.cli.invocation import note_json
from harness.errors import UsageError
from harness.model.hardware import Firmware
from harness.provider.profile import DEFAULT, load_profile, read_profile

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
    type=click.Choice(["qemu", "libvirt"]),
    default="qemu",
    show_default=True,
    help="Who starts the machine: harness itself, or libvirt (docs/libvirt.md).",
)
CONNECT = click.option(
    "--connect",
    metavar="URI",
    help="For --backend libvirt: where it is.  [default: qemu:///session, for root qemu:///system]",
)
COUNTERFACTUAL = click.option(
    "--counterfactual/--no-counterfactual",
    default=True,
    help="Boot once more with one thing changed where that settles the cause of a failure."
    "  [default: counterfactual]",
)
RULES = click.option(
    "--rules",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A table of rules of your own, which go before those of harness (docs/rules.md).",
)

JSON = click.option(
    *("--json", "as_json"),
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
    """The options that choose a provider, as one argument ``profile`` of ``command``.

    Raises UsageError where it is called with a profile that is not there or does not validate.
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


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that boots."""
    options = [
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
        RULES,
        STRICT,
        JSON,
    ]
    for option in reversed(options):
        command = option(command)
    return command
