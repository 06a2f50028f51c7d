"""Provider profiles on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.evidence.guest_text import printable
from harness.model.hardware import SEED_FORMS
from harness.provider.profile import Claim, Confidence, Profile

# From known firmly to not known at all.
_STYLES: dict[Confidence, str] = {
    "measured": "green",
    "documented": "green",
    "reported": "cyan",
    "inferred": "yellow",
    "chosen": "dim",
    "unknown": "magenta",
}
_ADDRESSING = {"static-dual-stack": "static, IPv4 and IPv6", "dhcp": "DHCP"}


def print_profiles(console: Console, profiles: Sequence[Profile]) -> None:
    """Print one line for each: machine, seed, network, formats that may be uploaded."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("provider", "machine", "disk", "seed", "network", "takes"):
        table.add_column(title, no_wrap=title == "provider")
    for profile in profiles:
        machine = profile.machine
        secure = ", Secure Boot" if machine.secure_boot.value else ""
        tpm = ", TPM" if machine.tpm.value else ""
        table.add_row(
            Text(profile.name, "bold"),
            f"{machine.chipset.value}, {machine.firmware.value.upper()}{secure}{tpm}",
            machine.disk_bus.value,
            _seed_in_words(profile),
            _network_in_words(profile),
            ", ".join(profile.images.formats.value),
        )
    console.print(table)
    console.print(Text("\nharness providers NAME gives the source of every claim.", "dim"))


def _seed_in_words(profile: Profile) -> str:
    form = profile.seed.form.value
    on_drive = SEED_FORMS[form].on_drive
    return f"{form} on {profile.machine.seed_bus.value}" if on_drive else f"{form}, served"


def _network_in_words(profile: Profile) -> str:
    network = profile.network
    way = _ADDRESSING.get(network.addressing.value, network.addressing.value)
    also = network.dhcp_guaranteed.value and network.addressing.value != "dhcp"
    return f"{way}; DHCP too" if also else way


def print_profile(console: Console, profile: Profile) -> None:
    """Print every claim about one provider: value, confidence, date and source."""
    console.print(Text.assemble((profile.name, "bold"), "  ", printable(profile.title)))
    for part in ("machine", "seed", "network", "images"):
        console.print()
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        for name, claim in _claims(getattr(profile, part)):
            if claim is None:
                table.add_row(f"{part}.{name}", Text("not known", _STYLES["unknown"]))
                continue
            value = Text(_value(claim.value), "bold")
            known = Text.assemble((claim.confidence, _STYLES[claim.confidence]), f", {claim.date}")
            table.add_row(f"{part}.{name}", known, value)
            table.add_row("", "", Text(printable(claim.source, 400), "dim", overflow="fold"))
        console.print(table)


def _claims(part: BaseModel) -> list[tuple[str, Claim[Any] | None]]:
    return [(name, getattr(part, name)) for name in type(part).model_fields]


def _value(value: object) -> str:
    """Return a value in readable form; sizes in bytes have blanks between thousands."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
