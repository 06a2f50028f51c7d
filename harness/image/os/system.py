"""The facts of a disk and of the system on it, without their readers.

Code that only compares facts or passes them on does not need the filesystem libraries.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _FactsModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CloudInit(_FactsModel):
    """The setup of cloud-init. ``datasources`` is the ``datasource_list``, None without one.

    ``program`` and ``started_by`` are the files that prove it installed and enabled;
    ``disabled_by`` and ``network_disabled_by`` name the file that disables it. Each is "" where
    there is none.
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


DriverPlace = Literal["built in", "initramfs", "root", "missing", "unknown"]
"""The place of a driver: the kernel, the initramfs, only the root filesystem, or none."""

# The option of the kernel configuration for each driver.
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
"""Drivers that an installer needs before it can load anything from the network."""
DRIVERS_BEFORE_ISO = ("sr_mod", "isofs")
"""Drivers that an installer needs before it can load anything from its ISO, on any bus."""


FAMILIES = ("debian", "fedora", "suse", "alpine", "arch")
"""Families of distributions, as ``ID`` and ``ID_LIKE`` of os-release(5) name them."""


class BlacklistedDriver(_FactsModel):
    """A blacklisted driver, and the file that says so. ``early``: before the root is mounted."""

    driver: str
    by: str
    early: bool


class DeviceName(_FactsModel):
    """A place that names a disk by its ``device``; ``where`` names the place for people.

    ``may_be_missing``: fstab has ``nofail``, and the boot continues without it.
    """

    device: str
    where: str
    may_be_missing: bool = False


class LinuxFacts(_FactsModel):
    """A Linux system.

    ``tags`` name the tool that makes its initramfs and its family of distributions: remedies use
    their commands.
    ``kernel`` is the path of the kernel that boots by default, "" where no configuration names one;
    ``kernel_found`` tells whether it exists. ``initramfs_fault`` says why a named initramfs could
    not be read, ``kernel_fault`` why the kernel cannot decompress itself.
    ``entry_waits``: the boot loader waits for a key. ``init`` is the first program on the root
    filesystem, "" if missing; ``init_is_program`` is False for a script, which may do
    anything.
    ``modules`` is the folder of the kernel modules.
    ``device_names`` are the places that name a disk by its device;
    ``mounts_needed`` are ``UUID=`` and ``LABEL=`` of filesystems that the boot waits for.
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
    drivers: dict[str, DriverPlace]
    blacklisted: tuple[BlacklistedDriver, ...]
    device_names: tuple[DeviceName, ...]
    mounts_needed: tuple[str, ...]
    serial_console: bool
    cloud_init: CloudInit


class IsoLinux(_FactsModel):
    """The Linux that an ISO starts.

    ``kernel`` and ``initrds`` are paths on the ISO; ``config`` is the boot configuration that names
    them, "" where they were found at the usual paths of such an ISO. ``kernel_fault`` says why the
    kernel cannot decompress itself.
    ``drivers`` are those of kernel and initrds: "missing" is in neither. ``later`` names a source
    of more drivers for people, "" if missing; it cannot provide those in
    ``needed_first``, which are needed to read it. ``on_demand``: the installer loads single parts
    of it as it runs.
    ``problem`` says why nothing is known of the drivers, "" otherwise.
    """

    config: str = ""
    kernel: str = ""
    kernel_architecture: str = ""
    kernel_version: str = ""
    kernel_fault: str = ""
    initrds: tuple[str, ...] = ()
    drivers: dict[str, DriverPlace] = {}
    later: str = ""
    on_demand: bool = False
    needed_first: tuple[str, ...] = ()
    problem: str = ""


class DriverFacts(_FactsModel):
    """The service of a Windows driver.

    ``start`` is None without a service; ``bound_by`` is the registry key that binds it. ``file`` is
    the path of the driver, "" where it does not exist; ``staged`` its path in the driver store,
    from which Plug and Play installs it, "" likewise.
    """

    service: str
    start: int | None
    bound_by: str
    file: str
    staged: str = ""


class WindowsFacts(_FactsModel):
    """A Windows system. ``disk`` is its driver for virtio-scsi, ``block`` that for virtio-blk.

    ``fault`` says why the registry could not be read; then nothing else is known.
    """

    volume: str
    name: str = ""
    control_set: str = ""
    disk: DriverFacts | None = None
    block: DriverFacts | None = None
    nic: DriverFacts | None = None
    fault: str = ""


class VolumeFacts(_FactsModel):
    """A volume. ``fault`` says why it could not be read, ``damage`` why Linux will not mount it."""

    name: str
    type: str
    size_bytes: int
    uuid: str
    label: str
    fault: str = ""
    damage: str = ""


class DiskFacts(_FactsModel):
    """The facts of a disk.

    ``efi_architectures`` are those of the loaders at the removable media path, ``efi_others`` the
    paths of loaders elsewhere on an EFI system partition, which only a boot entry starts;
    ``efi_unsigned`` are those at the removable media path, for x86-64, without a signature.
    ``bios_starts`` is None for the code of an unknown boot loader. ``unread`` names the parts that
    could not be read: if there are any, a file that was not found may still exist.
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
