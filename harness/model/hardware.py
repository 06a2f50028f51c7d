"""The hardware vocabulary of profiles, machines and rules, in QEMU's and libvirt's own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Chipset = Literal["pc", "q35"]
Firmware = Literal["bios", "uefi"]
DiskBus = Literal["virtio-scsi", "virtio-blk"]
AnyDiskBus = DiskBus | Literal["sata", "ide"]
"""The bus of a provider's disk, or one that a second boot may put the disk on."""
SeedBus = Literal["ide", "sata", "virtio-blk"]
NicModel = Literal["virtio-net-pci", "e1000", "vmxnet3"]
Accelerator = Literal["kvm", "tcg"]
CpuMode = Literal["real", "protected", "long"]
"""The operating mode of the processor (Intel SDM volume 3A, section 2.2)."""
Addressing = Literal["static", "static-dual-stack", "dhcp"]
SeedForm = Literal["nocloud", "configdrive"]


@dataclass(frozen=True, slots=True)
class SeedFormTraits:
    """A form of the seed as a guest knows it.

    ``datasource`` is its name in cloud-init. It is read off a drive; without ``on_drive`` it is
    asked of a service in the network.
    """

    datasource: str
    on_drive: bool = True


SEED_FORMS: dict[SeedForm, SeedFormTraits] = {
    "nocloud": SeedFormTraits("NoCloud"),
    "configdrive": SeedFormTraits("ConfigDrive"),
}
