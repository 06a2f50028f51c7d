"""Options of the command line that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.errors import UsageError
from harness.provider.profile import Firmware, load_profile, read_profile

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
    "--json", "as_json", is_flag=True, help="Print the result object on stdout, and nothing else."
)

_PROVIDER_OPTIONS = (
    click.option(
        "--provider",
        default="contabo",
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
