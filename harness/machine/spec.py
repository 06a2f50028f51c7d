"""The specification of a machine, independent of the backend that starts it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.model.hardware import Accelerator, AnyDiskBus, Chipset, NicModel
from harness.seed.delivery import SeedDelivery
from harness.seed.guest_network import GuestNetwork

FlashFormat = Literal["raw", "qcow2"]


@dataclass(frozen=True, slots=True)
class Flash:
    """A UEFI firmware in the machine's flash chips.

    ``code`` is opened read-only. ``variables`` is the NVRAM, writable and for this run alone; None
    for a firmware without one. With ``smm``, only code in system management mode may write to it,
    as the firmware requires.
    """

    code: Path
    code_format: FlashFormat
    variables: Path | None = None
    variables_format: FlashFormat = "raw"
    smm: bool = False


@dataclass(frozen=True, slots=True)
class DirectKernel:
    """A kernel that the machine starts past all menus: our files, and its command line."""

    kernel: Path
    initrd: Path
    cmdline: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The sockets and files of a running machine.

    The sockets are listened on before the machine starts and QEMU connects to them; the two files
    are written by QEMU itself. Socket paths must fit the 107 bytes of ``sun_path`` (unix(7)).
    On ``vnc_socket``, where there is one, QEMU listens itself.
    """

    qmp_socket: Path
    serial_socket: Path
    firmware_socket: Path
    receiver_socket: Path
    capture_file: Path
    stderr_log: Path
    vnc_socket: Path | None = None


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """One machine: the provider's hardware around one image.

    ``image`` is opened read-only; what the guest writes goes to ``overlay``, a disk of
    ``disk_size_bytes`` (the image's virtual size). Without an image the disk is empty, and ``iso``
    is in a CD-ROM drive, which the firmware tries after the disk; ``direct`` goes before both. PCI
    addresses are hexadecimal, as the profile has them: ``slot.function``, or
    ``bus:slot.function`` for a device behind its own root port, whose bus has that number in the
    guest. Another ``disk_bus`` or ``nic_model`` than the provider's is for a second boot that tests
    whether that makes the difference.
    ``seed`` is a drive, or an HTTP service at the receiver.
    ``firmware`` is None for the BIOS that comes with QEMU; ``tpm`` is the control socket of a
    running TPM (:mod:`harness.machine.tpm`), None for a machine without one.
    """

    chipset: Chipset
    cpus: int
    memory_mib: int
    accelerator: Accelerator
    cpu_model: str
    image: Path | None
    image_format: Literal["qcow2", "raw"]
    disk_size_bytes: int
    overlay: Path
    seed: SeedDelivery
    mac: str
    disk_address: str
    nic_address: str
    balloon_address: str
    network: GuestNetwork
    disk_bus: AnyDiskBus = "virtio-scsi"
    nic_model: NicModel = "virtio-net-pci"
    firmware: Flash | None = None
    iso: Path | None = None
    direct: DirectKernel | None = None
    tpm: Path | None = None
