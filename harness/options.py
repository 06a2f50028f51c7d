"""Options of the command line that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

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
