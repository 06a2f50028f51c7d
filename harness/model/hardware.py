"""The hardware vocabulary of profiles, machines and rules, in QEMU's and libvirt's own words."""

from __future__ import annotations

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
