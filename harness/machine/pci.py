"""PCI addresses of the devices of a machine, in QEMU's words."""

from __future__ import annotations

from collections.abc import Iterable

# VGA is in slot 1 of a q35, which no address names.
_FIRST_SLOT, _LAST_SLOT = 2, 0x1E
_FUNCTIONS = 8


def address_properties(address: str) -> str:
    """Return the properties that put a device at ``address``, as a profile has it.

    ``05.0`` is on the root bus; ``02:00.0`` is behind the root port that :func:`root_ports` makes
    for bus 2.
    """
    bus, _, rest = address.rpartition(":")
    return f"bus=port{int(bus, 16)},addr={rest}" if bus else f"addr={rest}"


def root_ports(addresses: Iterable[str]) -> list[str]:
    """Return the arguments for the root ports that these addresses need; none without a bus.

    Firmware numbers buses in the order of the ports, from the lowest slot and function (PCI Express
    Base Specification 5.0, 7.3.1): so there is a port for every number up to the highest, and some
    are empty.
    """
    rows = [address.rpartition(":")[::2] for address in addresses]
    buses = [int(bus, 16) for bus, _ in rows if bus]
    taken = {int(rest.partition(".")[0], 16) for bus, rest in rows if not bus}
    free = [slot for slot in range(_FIRST_SLOT, _LAST_SLOT + 1) if slot not in taken]
    args: list[str] = []
    for number in range(1, max(buses, default=0) + 1):
        slot, function = divmod(number - 1, _FUNCTIONS)
        port = f"pcie-root-port,id=port{number},bus=pcie.0,chassis={number},port={number}"
        # Set on the first function, it applies to the whole slot (QEMU docs/pcie.txt).
        multifunction = ",multifunction=on" if function == 0 else ""
        args += ["-device", f"{port},addr={free[slot]:02x}.{function}{multifunction}"]
    return args


def slot_after(address: str, others: Iterable[str]) -> str:
    """Return the first free address after ``address`` on the root bus: it is found later."""
    taken = {int(row.partition(".")[0], 16) for row in others if ":" not in row}
    slots = range(int(address.partition(".")[0], 16) + 1, _LAST_SLOT + 1)
    return f"{next(slot for slot in slots if slot not in taken):02x}.0"
