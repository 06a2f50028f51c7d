"""What is known of a disk and of the system on it: the facts, without their readers.

Who only holds facts against something, or passes them on, needs none of the libraries that read
file systems.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CloudInit(_Model):
    """``datasources`` is what ``datasource_list`` says, None where it says nothing.

    ``program`` and ``started_by`` are the files that show it installed and enabled; ``disabled_by``
    and ``network_disabled_by`` name the file that does it. Each is "" where there is none.
    """

    installed: bool
    program: str = ""
    enabled: bool
    started_by: str = ""
    datasources: tuple[str, ...] | None
    datasources_in: str
    disabled_by: str
    network_disabled_by: str
    used_instance: str
    stand_in: str


Place = Literal["built in", "initramfs", "root", "missing", "unknown"]
"""Where a driver is: in the kernel, in the initramfs, only on the root file system, nowhere."""

# Driver to the option of the kernel's configuration that builds it.
DRIVERS = {
    "virtio_pci": "CONFIG_VIRTIO_PCI",
    "virtio_scsi": "CONFIG_SCSI_VIRTIO",
    "sd_mod": "CONFIG_BLK_DEV_SD",
    "virtio_blk": "CONFIG_VIRTIO_BLK",
    "virtio_net": "CONFIG_VIRTIO_NET",
    "ata_piix": "CONFIG_ATA_PIIX",
    "sr_mod": "CONFIG_BLK_DEV_SR",
    "isofs": "CONFIG_ISO9660_FS",
    "ahci": "CONFIG_SATA_AHCI",
    "e1000": "CONFIG_E1000",
    "vmxnet3": "CONFIG_VMXNET3",
    "ext4": "CONFIG_EXT4_FS",
    "xfs": "CONFIG_XFS_FS",
    "btrfs": "CONFIG_BTRFS_FS",
}

DRIVERS_BEFORE_NETWORK = ("virtio_pci", "virtio_net", "e1000", "vmxnet3")
"""What an installer needs before the network brings it anything."""
DRIVERS_BEFORE_ISO = ("sr_mod", "isofs")
"""What an installer needs before its own disc brings it anything, on any bus."""


FAMILIES = ("debian", "fedora", "suse", "alpine", "arch")
"""Families of distributions, as ``ID`` and ``ID_LIKE`` of os-release(5) name them."""


class Blacklisted(_Model):
    """A driver that is kept from loading, and what says so. ``early``: before the root is there."""

    driver: str
    by: str
    early: bool


class DeviceName(_Model):
    """A place that names a disk by its ``device``, and where that is, for people.

    ``may_be_missing``: fstab says ``nofail``, and the boot goes on without it.
    """

    device: str
    where: str
    may_be_missing: bool = False


class LinuxFacts(_Model):
    """A Linux system.

    ``tags`` name what makes its initramfs and its family of distributions: remedies are said in
    their commands.
    ``kernel`` is the path of what boots by default, "" where no configuration names one;
    ``kernel_found`` tells whether it is there. ``initramfs_fault`` says why an initramfs that is
    named could not be read, ``kernel_fault`` why the kernel will not unpack itself.
    ``entry_waits``: the boot loader waits for a key. ``init`` is the first program on the root file
    system, "" where there is none, and ``init_is_program`` tells it from a script, which may do
    anything.
    ``modules`` is the folder with the kernel's modules.
    ``device_names`` are the places that name a disk by its device;
    ``mounts_needed`` are ``UUID=`` and ``LABEL=`` of file systems that the boot waits for.
    """

    name: str
    tags: tuple[str, ...] = ()
    architecture: str
    entry: str
    config: str
    kernel: str
    kernel_found: bool
    kernel_architecture: str
    kernel_version: str
    kernel_fault: str = ""
    entry_waits: bool = False
    init: str = ""
    init_is_program: bool = False
    initrds: tuple[str, ...]
    initrds_missing: tuple[str, ...]
    initramfs_fault: str
    cmdline: str
    root_type: str
    modules: str = ""
    drivers: dict[str, Place]
    blacklisted: tuple[Blacklisted, ...]
    device_names: tuple[DeviceName, ...]
    mounts_needed: tuple[str, ...]
    serial_console: bool
    cloud_init: CloudInit


class IsoLinux(_Model):
    """The Linux that a disc starts.

    ``kernel`` and ``initrds`` are paths on the disc; ``config`` is the boot configuration that
    names them, "" where they are where discs of this kind have them. ``kernel_fault`` says why the
    kernel will not unpack itself.
    ``drivers`` are as kernel and initrds have them: "missing" is what is in neither. ``later`` is
    what may bring more of them, in words, "" where nothing on the disc may; but for those of
    ``needed_first``, without which it cannot be had. ``on_demand``: the installer loads it piece by
    piece as it runs.
    ``problem`` says why nothing is known of the drivers, "" otherwise.
    """

    config: str = ""
    kernel: str = ""
    kernel_architecture: str = ""
    kernel_version: str = ""
    kernel_fault: str = ""
    initrds: tuple[str, ...] = ()
    drivers: dict[str, Place] = {}
    later: str = ""
    on_demand: bool = False
    needed_first: tuple[str, ...] = ()
    problem: str = ""


class DriverFacts(_Model):
    """A driver's service. ``start`` is None without one; ``bound_by`` is the key that binds it.

    ``file`` is the driver's path on the disk, "" where it is not there; ``staged`` its path in the
    driver store, from where Plug and Play installs it, "" likewise.
    """

    service: str
    start: int | None
    bound_by: str
    file: str
    staged: str = ""


class WindowsFacts(_Model):
    """A Windows. ``disk`` is its driver for virtio-scsi, ``block`` that for virtio-blk.

    ``fault`` says why its registry could not be read; then nothing else is known.
    """

    volume: str
    name: str = ""
    control_set: str = ""
    disk: DriverFacts | None = None
    block: DriverFacts | None = None
    nic: DriverFacts | None = None
    fault: str = ""


class VolumeFacts(_Model):
    """A volume. ``fault`` says why it could not be read, ``damage`` why Linux will not mount it."""

    name: str
    type: str
    size_bytes: int
    uuid: str
    label: str
    fault: str = ""
    damage: str = ""


class DiskFacts(_Model):
    """What is on a disk.

    ``efi_architectures`` are those of the loaders at the removable media path, ``efi_others`` the
    paths of loaders elsewhere on an EFI system partition, which only a boot entry leads to;
    ``efi_unsigned`` are those at the removable media path, for x86-64, that nobody has signed.
    ``bios_starts`` is None where the boot code is of nobody that is known. ``unread`` names what
    could not be read: where it is not empty, what is missing is not proved to be absent.
    """

    table: str
    empty: bool
    loader: str
    bios_starts: bool | None
    bios_evidence: str
    efi_architectures: tuple[str, ...]
    efi_others: tuple[str, ...] = ()
    efi_unsigned: tuple[str, ...] = ()
    volumes: tuple[VolumeFacts, ...]
    encrypted: tuple[str, ...]
    windows: WindowsFacts | None
    linux: LinuxFacts | None
    unread: tuple[str, ...]
