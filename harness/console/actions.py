"""The actions that a person may take on the machine, as every console offers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.diagnose.change import (
    DISKS,
    FIRMWARES,
    NICS,
    PROVIDED_NIC,
    Change,
    change_of_disk,
    change_of_firmware,
    change_of_nic,
    supports_disk_bus,
)
from harness.errors import UsageError
from harness.evidence.guest_text import printable
from harness.provider.profile import MachineClaims


@dataclass(frozen=True, slots=True)
class Action:
    """An action: its name, the label of its button, its key after the prefix.

    ``arguments`` are the names of the texts that it needs.
    """

    name: str
    label: str
    key: str
    arguments: tuple[str, ...] = ()


ACTIONS = (
    Action("screenshot", "Screenshot", "p"),
    Action("freeze", "Freeze", "f"),
    Action("continue", "Continue", "c"),
    Action("reset", "Reset", "r"),
    Action("power-button", "Power button", "b"),
    Action("ctrl-alt-del", "Ctrl-Alt-Del", "d"),
    Action("send-key", "Send key", "k", ("keys",)),
    Action("qmp", "QMP command", "m", ("text",)),
    Action("snapshot", "Snapshot", "s"),
    Action("roll-back", "Roll back", "l"),
    Action("swap", "Swap and boot", "w", ("what", "value")),
    Action("ssh-command", "SSH command", "h"),
    Action("root-password", "Root password", "o"),
)

SWAPS: Mapping[str, tuple[str, ...]] = {
    "disk-bus": tuple(DISKS),
    "nic": tuple(NICS),
    "firmware": tuple(FIRMWARES),
}
"""The parts that can be swapped, each with its values."""


def swap_of(what: str, value: str, hardware: MachineClaims) -> Change | None:
    """Return the change of a swap from the provider's ``hardware``; None if there is no difference.

    Raises UsageError for a part or a value that cannot be swapped.
    """
    if what not in SWAPS or value not in SWAPS[what]:
        known = "; ".join(f"{name} {', '.join(values)}" for name, values in SWAPS.items())
        asked = printable(f"{what} {value}".strip(), 60)
        raise UsageError(f"{asked!r}: cannot be swapped: name one of {known}.")
    own = {
        "firmware": hardware.firmware.value,
        "disk-bus": hardware.disk_bus.value,
        "nic": PROVIDED_NIC,
    }
    if value == own[what]:
        return None
    if what == "nic":
        return change_of_nic(value)
    if what == "firmware":
        return change_of_firmware(next(name for name in FIRMWARES if name == value))
    bus = next(name for name in DISKS if name == value)
    chipset = hardware.chipset.value
    if not supports_disk_bus(chipset, bus):
        raise UsageError(f"{what} {value}: a {chipset} has no such controller.")
    return change_of_disk(bus, own[what])


def key_codes(keys: str) -> list[str]:
    """Return the QEMU key codes in ``ctrl-alt-f2`` or ``ret``. Raises UsageError for other text."""
    codes = [code for code in keys.lower().replace("+", "-").split("-") if code]
    if not codes or not all(code.replace("_", "").isalnum() for code in codes):
        raise UsageError(f"{printable(keys, 40)!r}: is no key: write it as ret or ctrl-alt-f2.")
    return codes
