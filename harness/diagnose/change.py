"""The changes of a provider's machine that a second boot can try, in words and in the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.model.hardware import AnyDiskBus, Chipset, Firmware, NicModel
from harness.model.image import Medium
from harness.model.outcome import Outcome
from harness.model.stages import Stage, Until

Thing = Literal["disk", "nic", "firmware", "addressing"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change in words, and the stage that shows whether it made the difference.

    ``disk_bus``, ``nic_model`` and ``firmware`` are None where the provider's value stays. With
    ``without_secure_boot`` the firmware starts unsigned programs.
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
        """The name of the change in the result object."""
        return f"{self.instead} in place of {self.provided}"

    def verdict(self, outcome: Outcome, stage: Stage | None, medium: Medium = "disk") -> str:
        """Return one sentence that says what the second boot proves."""
        if outcome == "pass" and medium == "iso":
            return (
                f"The installer finds what it needs with {self.instead}, not with {self.provided}."
            )
        if outcome == "pass":
            return f"Comes to the stage {stage} with {self.instead}, and not with {self.provided}."
        if outcome == "fail":
            return f"Fails with {self.instead} just as with {self.provided} (stage {stage})."
        return f"The boot with {self.instead} was not decided."


DISKS: Mapping[AnyDiskBus, str] = {
    "virtio-scsi": "a virtio-scsi disk",
    "virtio-blk": "a virtio-blk disk",
    "sata": "a SATA disk",
    "ide": "an IDE disk",
}
NICS: Mapping[str, NicModel] = {
    "virtio-net": "virtio-net-pci",
    "e1000": "e1000",
    "vmxnet3": "vmxnet3",
}
"""Names of NICs; the first is the one that every provider has."""
PROVIDED_NIC = next(iter(NICS))
FIRMWARES: Mapping[Firmware, str] = {"bios": "BIOS", "uefi": "UEFI"}

DHCP = Change("addressing", "DHCP in the seed", "a static address", "network")
NO_SECURE_BOOT = Change(
    "firmware", "Secure Boot off", "Secure Boot on", "kernel", without_secure_boot=True
)


def change_of_disk(bus: AnyDiskBus, provided: str) -> Change:
    """Return the change that puts the disk on ``bus`` in place of the ``provided`` one."""
    return Change("disk", DISKS[bus], provided, "root", disk_bus=bus)


def change_of_nic(name: str) -> Change:
    """Return the change that puts the NIC ``name`` in place of the provider's."""
    article = "an" if name[0] in "aeiou" else "a"
    words = f"{article} {name} NIC"
    return Change("nic", words, PROVIDED_NIC, "network", nic_model=NICS[name])


def change_of_firmware(firmware: Firmware) -> Change:
    """Return the change that puts ``firmware`` in place of the other one."""
    words = FIRMWARES[firmware]
    provided = next(other for name, other in FIRMWARES.items() if name != firmware)
    return Change("firmware", words, provided, "kernel", firmware=firmware)


def supports_disk_bus(chipset: Chipset, bus: AnyDiskBus) -> bool:
    """Tell whether a machine of this chipset can have a disk on ``bus``: a q35 has no IDE."""
    return (chipset, bus) != ("q35", "ide")
