"""``harness doctor``: the capabilities of this host."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.errors import HostError
from harness.machine.doctor import host_checks, install_command


@click.command()
def doctor() -> None:
    """Say what this host can do, and what to install."""
    console = Console()
    checks = host_checks()
    table = Table.grid(padding=(0, 2))
    marks = {"ok": ("\u2713", "green"), "missing": ("\u2717", "red"), "note": ("i", "cyan")}
    for check in checks:
        table.add_row(Text(*marks[check.state]), check.name, Text(check.detail))
    console.print(table)
    command = install_command(checks)
    if command:
        console.print(Text.assemble("\nInstall what is missing (Debian, Ubuntu):\n  ", command))
    if any(check.state == "missing" for check in checks):
        sys.exit(HostError.exit_status)
