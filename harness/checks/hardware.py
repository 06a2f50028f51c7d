"""The drivers that a system needs on a provider's machine: a table for each bus and form.

The drivers are Linux's, by the names of their modules; those of Windows are read in
:mod:`harness.image.os.windows`.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.hardware import SEED_FORMS, DiskBus, SeedBus
from harness.provider.profile import Profile


@dataclass(frozen=True, slots=True)
class DiskNeeds:
    """A disk bus by its title, the drivers that Linux needs for it, and its device name there.

    ``linux_missing`` and ``windows_missing`` are the ids of the findings about a system without
    the drivers.
    """

    title: str
    drivers: tuple[str, ...]
    device: str
    linux_missing: str
    windows_missing: str


@dataclass(frozen=True, slots=True)
class SeedNeeds:
    """The place of the seed by its title, and the drivers that Linux needs to read it there."""

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
_SERVICE = SeedNeeds("a service in the network", ())

VIRTIO_NIC_DRIVERS = ("virtio_pci", "virtio_net")
"""The drivers that Linux needs for the NIC of any provider."""


def disk_needs(profile: Profile) -> DiskNeeds:
    """Return what a system needs to find its disk on the provider's machine."""
    return _DISKS[profile.machine.disk_bus.value]


def seed_needs(profile: Profile) -> SeedNeeds:
    """Return what a system needs to read the seed on the provider's machine."""
    on_drive = SEED_FORMS[profile.seed.form.value].on_drive
    return _SEEDS[profile.machine.seed_bus.value] if on_drive else _SERVICE


def datasource(profile: Profile) -> str:
    """Return cloud-init's name for the form of the provider's seed."""
    return SEED_FORMS[profile.seed.form.value].datasource
