"""One more boot with one thing changed: where it would settle the cause of a failure, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.machine_state import DISK_SEEN
from harness.model.hardware import AnyDiskBus, Chipset, Firmware, NicModel
from harness.model.image import Medium
from harness.model.outcome import Outcome
from harness.model.stages import Stage, Until, rank

Thing = Literal["disk", "nic", "firmware", "addressing"]


@dataclass(frozen=True, slots=True)
class Change:
    """What is changed, in words, and the stage that tells whether it made the difference.

    ``disk_bus``, ``nic_model`` and ``firmware`` are None where the provider's stays. With
    ``without_secure_boot`` the firmware starts what nobody has signed.
    """

    thing: Thing
    instead: str
    provided: str
    until: Until
    disk_bus: AnyDiskBus | None = None
    nic_model: NicModel | None = None
    firmware: Firmware | None = None
    without_secure_boot: bool = False

    @property
    def name(self) -> str:
        """The change as the result object has it."""
        return f"{self.instead} in place of {self.provided}"

    def verdict(self, outcome: Outcome, stage: Stage | None, medium: Medium = "disk") -> str:
        """What the second boot proves, in one sentence."""
        if outcome == "pass" and medium == "disc":
            return (
                f"The installer finds what it needs with {self.instead}, not with {self.provided}."
            )
        if outcome == "pass":
            return f"Comes to the stage {stage} with {self.instead}, and not with {self.provided}."
        if outcome == "fail":
            return f"Fails with {self.instead} just as with {self.provided} (stage {stage})."
        return f"The boot with {self.instead} was not decided."


# Which driver of the guest each one needs before its root is there, in the order of preference:
# what most systems have a driver for first, and a virtio-blk disk, which is the least different
# from a virtio-scsi one, last.
_DISKS: tuple[tuple[str, str, AnyDiskBus], ...] = (
    ("virtio_scsi", "a virtio-scsi disk", "virtio-scsi"),
    ("ahci", "a SATA disk", "sata"),
    ("ata_piix", "an IDE disk", "ide"),
    ("virtio_blk", "a virtio-blk disk", "virtio-blk"),
)
# And which driver of the guest each of these needs at all.
_NICS = (
    ("e1000", Change("nic", "an e1000 NIC", "virtio-net", "network", nic_model="e1000")),
    ("vmxnet3", Change("nic", "a vmxnet3 NIC", "virtio-net", "network", nic_model="vmxnet3")),
)
_DHCP = Change("addressing", "DHCP in the seed", "a static address", "network")
_FIRMWARE: dict[Firmware, Change] = {
    "bios": Change("firmware", "UEFI", "BIOS", "kernel", firmware="uefi"),
    "uefi": Change("firmware", "BIOS", "UEFI", "kernel", firmware="bios"),
}
_UNSIGNED = Change(
    "firmware", "Secure Boot off", "Secure Boot on", "kernel", without_secure_boot=True
)
_EARLY = ("built in", "initramfs")
_AT_ALL = (*_EARLY, "root")
# Of a disc: what its installer may load later.
_UNKNOWN = "unknown"
# Microsoft, Bug Check 0x7B: INACCESSIBLE_BOOT_DEVICE.
_NO_DISK = ("0x0000007b", "0x7b")

_Condition = Callable[[Diagnosis], bool]

_Choice = Callable[[Diagnosis], Change | None]


def has_disks_on(chipset: Chipset, bus: AnyDiskBus) -> bool:
    """Whether a machine of this chipset can have a disk on ``bus``: a q35 has no IDE."""
    return (chipset, bus) != ("q35", "ide")


def _disk(seen: Diagnosis) -> Change | None:
    provided = seen.disk_bus
    choices = tuple(
        (driver, Change("disk", words, provided, "root", disk_bus=bus))
        for driver, words, bus in _DISKS
        if bus != provided and has_disks_on(seen.chipset, bus)
    )
    return _first_with_driver(seen, choices, _EARLY)


def _nic(seen: Diagnosis) -> Change | None:
    return _first_with_driver(seen, _NICS, _AT_ALL)


def _first_with_driver(
    seen: Diagnosis, choices: tuple[tuple[str, Change], ...], places: tuple[str, ...]
) -> Change | None:
    """The first device that the guest has a driver for; the first of all where none is known."""
    if not seen.drivers:
        return choices[0][1]
    places = (*places, _UNKNOWN)
    usable = (change for driver, change in choices if seen.drivers.get(driver) in places)
    return next(usable, None)


# Where inspection saw this, no NIC would make a difference.
_NO_CONFIGURATION = frozenset(
    {
        *("linux.cloud-init-missing", "linux.seed-drive-missing", "linux.datasource-excluded"),
        *("linux.network-config-disabled", "linux.instance-used"),
    }
)


def _nobody_configures(seen: Diagnosis) -> bool:
    """Whether inspection knows why nothing configures the NIC, and misses no driver for it."""
    ids = {row.id for row in seen.findings}
    return bool(ids & _NO_CONFIGURATION) and "linux.virtio-net-missing" not in ids


# Cause, what else must hold, and what settles it. A boot more takes as long as the first one: what
# would only repeat what is known already is not here.
_SETTLES: tuple[tuple[str, _Condition, _Choice], ...] = (
    ("boot.disk-not-found", lambda seen: DISK_SEEN not in seen.state.signs, _disk),
    ("installer.disk-unseen", lambda _: True, _disk),
    ("boot.bugcheck", lambda seen: seen.state.facts.get("code", "").lower() in _NO_DISK, _disk),
    ("network.silent", lambda seen: not _nobody_configures(seen), _nic),
    (
        "network.unconfigured",
        lambda seen: not seen.state.asked_for_dhcp and "finished" in seen.state.signs,
        lambda _: _DHCP,
    ),
    ("firmware.uefi-only", lambda _: True, lambda _: _FIRMWARE["bios"]),
    ("firmware.bios-only", lambda _: True, lambda _: _FIRMWARE["uefi"]),
    ("firmware.not-signed", lambda _: True, lambda _: _UNSIGNED),
)


def what_would_settle(diagnosis: Diagnosis) -> Change | None:
    """The change that would settle the cause of a failed boot; None where none would."""
    verdict = diagnosis.verdict
    if verdict is None or verdict.outcome != "fail" or verdict.stage is None:
        return None
    if diagnosis.state.medium == "disk" and rank(verdict.stage) >= rank("network"):
        return None
    for cause, holds, choose in _SETTLES:
        if cause == verdict.cause and holds(diagnosis):
            return choose(diagnosis)
    return None
