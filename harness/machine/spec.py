"""What a machine is made of, said once and independent of who starts it."""

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

    ``code`` is opened read-only. ``variables`` is what the firmware keeps its own in, writable and
    of this run alone; None for a firmware that keeps none. ``smm`` says that only code in system
    management mode may write to it, which such a firmware wants.
    """

    code: Path
    code_format: FlashFormat
    variables: Path | None = None
    variables_format: FlashFormat = "raw"
    smm: bool = False


@dataclass(frozen=True, slots=True)
class DirectKernel:
    """A kernel that the machine starts past all menus: files of ours, and its command line."""

    kernel: Path
    initrd: Path
    cmdline: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a running machine can be met.

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
    ``disk_size_bytes`` (the image's virtual size). Without an image the disk is empty, and ``disc``
    is in a CD-ROM drive, which the firmware tries after the disk; ``direct`` goes before both. PCI
    addresses are hexadecimal, as the profile has them: ``slot.function``, or
    ``bus:slot.function`` for a device behind a root port of its own, whose bus the guest knows by
    that number. Another ``disk_bus`` or ``nic_model`` than the provider's is for a second boot that
    asks whether that makes the difference.
    ``seed`` is a drive, or a service at the receiver that the guest asks.
    ``firmware`` is None for the BIOS that QEMU brings along; ``tpm`` is the control socket of a TPM
    that runs (:mod:`harness.machine.tpm`), None for a machine without one.
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
