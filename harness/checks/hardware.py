"""What a system needs for a provider's machine: a table for each bus and form.

The drivers are Linux's, by the names of their modules; those of Windows are read in
:mod:`harness.image.os.windows`.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.hardware import DiskBus, SeedBus, SeedForm
from harness.provider.profile import Profile


@dataclass(frozen=True, slots=True)
class DiskNeeds:
    """A disk's bus in words, what Linux needs for it, and what it is called there.

    ``linux_missing`` and ``windows_missing`` are the findings about a system without.
    """

    title: str
    drivers: tuple[str, ...]
    device: str
    linux_missing: str
    windows_missing: str


@dataclass(frozen=True, slots=True)
class SeedNeeds:
    """The drive of the seed in words, and what Linux needs to read it."""

    title: str
    drivers: tuple[str, ...]


_DISKS: dict[DiskBus, DiskNeeds] = {
    "virtio-scsi": DiskNeeds(
        "virtio-scsi",
        ("virtio_pci", "virtio_scsi", "sd_mod"),
        "/dev/sda",
        "linux.virtio-scsi-missing",
        "windows.virtio-scsi-missing",
    ),
    "virtio-blk": DiskNeeds(
        "virtio-blk",
        ("virtio_pci", "virtio_blk"),
        "/dev/vda",
        "linux.virtio-blk-missing",
        "windows.virtio-blk-missing",
    ),
}
_SEEDS: dict[SeedBus, SeedNeeds] = {
    "ide": SeedNeeds("an IDE CD-ROM", ("ata_piix", "sr_mod", "isofs")),
    "sata": SeedNeeds("a SATA CD-ROM", ("ahci", "sr_mod", "isofs")),
    "virtio-blk": SeedNeeds("a virtio-blk disk", ("virtio_pci", "virtio_blk", "isofs")),
}
_DATASOURCES: dict[SeedForm, str] = {"nocloud": "NoCloud", "configdrive": "ConfigDrive"}

VIRTIO_NIC_DRIVERS = ("virtio_pci", "virtio_net")
"""What Linux needs for the NIC of any provider."""


def disk_needs(profile: Profile) -> DiskNeeds:
    """What a system needs to find its disk there."""
    return _DISKS[profile.machine.disk_bus.value]


def seed_needs(profile: Profile) -> SeedNeeds:
    """What a system needs to read the seed there."""
    return _SEEDS[profile.machine.seed_bus.value]


def datasource(profile: Profile) -> str:
    """What cloud-init calls the form of the seed there."""
    return _DATASOURCES[profile.seed.form.value]
