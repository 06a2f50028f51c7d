"""The choice of a second boot with one change, where that would settle the cause of a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.diagnose.change import (
    DHCP,
    NO_SECURE_BOOT,
    Change,
    change_of_disk,
    change_of_firmware,
    change_of_nic,
    supports_disk_bus,
)
from harness.diagnose.judge import Verdict
from harness.diagnose.machine_state import DISK_SEEN, MachineState
from harness.evidence.events import RunStart
from harness.model.hardware import AnyDiskBus
from harness.model.stages import rank

# The driver that the guest needs for each bus before its root is mounted. The bus that most
# systems have a driver for is first; virtio-blk, which differs the least from virtio-scsi, is last.
_DISKS: tuple[tuple[str, AnyDiskBus], ...] = (
    ("virtio_scsi", "virtio-scsi"),
    ("ahci", "sata"),
    ("ata_piix", "ide"),
    ("virtio_blk", "virtio-blk"),
)
# NICs by the driver that the guest needs, early or late.
_NICS = tuple((name, change_of_nic(name)) for name in ("e1000", "vmxnet3"))
_EARLY = ("built in", "initramfs")
_AT_ALL = (*_EARLY, "root")
# Of an ISO: a driver that its installer may load later.
_UNKNOWN = "unknown"
# Microsoft, Bug Check 0x7B: INACCESSIBLE_BOOT_DEVICE.
_NO_DISK = ("0x0000007b", "0x7b")


@dataclass(frozen=True, slots=True)
class _Failure:
    """The verdict on a failed boot, and the first event of its run."""

    verdict: Verdict
    start: RunStart

    @property
    def state(self) -> MachineState:
        return self.verdict.state


_Condition = Callable[[_Failure], bool]
_Choice = Callable[[_Failure], Change | None]


def _disk(seen: _Failure) -> Change | None:
    provided = seen.start.disk_bus
    choices = tuple(
        (driver, change_of_disk(bus, provided))
        for driver, bus in _DISKS
        if bus != provided and supports_disk_bus(seen.start.chipset, bus)
    )
    return _first_with_driver(seen, choices, _EARLY)


def _nic(seen: _Failure) -> Change | None:
    return _first_with_driver(seen, _NICS, _AT_ALL)


def _first_with_driver(
    seen: _Failure, choices: tuple[tuple[str, Change], ...], places: tuple[str, ...]
) -> Change | None:
    """Return the first device that the guest has a driver for.

    Where no driver is known, that is the first of all.
    """
    if not seen.start.drivers:
        return choices[0][1]
    places = (*places, _UNKNOWN)
    usable = (change for driver, change in choices if seen.start.drivers.get(driver) in places)
    return next(usable, None)


# With one of these findings of inspection, another NIC would make no difference.
_NO_CONFIGURATION = frozenset(
    {
        "linux.cloud-init-missing",
        "linux.seed-drive-missing",
        "linux.datasource-excluded",
        "linux.network-config-disabled",
        "linux.instance-used",
    }
)


def _is_left_unconfigured(seen: _Failure) -> bool:
    """Tell whether inspection found why the NIC is not configured, and no missing driver for it."""
    ids = {row.id for row in seen.verdict.findings}
    return bool(ids & _NO_CONFIGURATION) and "linux.virtio-net-missing" not in ids


# Cause, condition, and the change that settles it. A second boot takes as long as the first one, so
# a change that would only repeat what is known is not here.
_SETTLES: tuple[tuple[str, _Condition, _Choice], ...] = (
    ("boot.disk-not-found", lambda seen: DISK_SEEN not in seen.state.signs, _disk),
    ("installer.disk-unseen", lambda _: True, _disk),
    ("boot.bugcheck", lambda seen: seen.state.facts.get("code", "").lower() in _NO_DISK, _disk),
    ("network.silent", lambda seen: not _is_left_unconfigured(seen), _nic),
    (
        "network.unconfigured",
        lambda seen: not seen.state.asked_for_dhcp and "finished" in seen.state.signs,
        lambda _: DHCP,
    ),
    ("firmware.uefi-only", lambda _: True, lambda _: change_of_firmware("uefi")),
    ("firmware.bios-only", lambda _: True, lambda _: change_of_firmware("bios")),
    ("firmware.not-signed", lambda _: True, lambda _: NO_SECURE_BOOT),
)


def settling_change(verdict: Verdict | None, start: RunStart | None) -> Change | None:
    """Return the change that would settle the cause of a failed boot; None if none would.

    ``start`` is the first event of its run.
    """
    if verdict is None or start is None or verdict.outcome != "fail" or verdict.stage is None:
        return None
    if start.medium == "disk" and rank(verdict.stage) >= rank("network"):
        return None
    failure = _Failure(verdict, start)
    for cause, holds, choose in _SETTLES:
        if cause == verdict.cause and holds(failure):
            return choose(failure)
    return None
