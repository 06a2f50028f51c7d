"""The QEMU command line of a machine: a pure function of its description."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from harness.host.programs import argument_list
from harness.machine.pci import address_properties, root_ports, slot_after
from harness.machine.spec import Endpoints, MachineSpec
from harness.seed.delivery import SeedService

DISK_NODE = "disk"
"""Node and device name of the image's disk, in QMP answers too."""
SEED_NODE = "seed"
ISO_NODE = "iso"
NIC = "nic"
NETDEV = "net"

# SeaBIOS writes its log to this port when a debug console is there
# (SeaBIOS docs/Debugging.md, "Diagnostic information").
SEABIOS_DEBUG_PORT = 0x402

# Chipset to the interface of its TPM.
_TPMS = {"pc": "tpm-tis", "q35": "tpm-crb"}

_FLASH_CODE = "uefi-code"
_FLASH_VARIABLES = "uefi-variables"
# edk2, OvmfPkg/RUNTIME_CONFIG.md.
_PXE = ("opt/org.tianocore/IPv4PXESupport", "opt/org.tianocore/IPv6PXESupport")

# One thread for all processors: with one each, a kernel that patches its own code while another
# processor runs it may die of an int3 (docs/decisions/0008).
_TCG = "tcg,thread=single"


# Chipset to the ports of its own controller for the disk, the ISO, and the seed: one channel of an
# IDE controller takes two drives, a port of AHCI one.
_PORTS = {"pc": ("ide.0", "ide.0", "ide.1"), "q35": ("ide.0", "ide.2", "ide.1")}
_CONTROLLERS = {
    "virtio-scsi": "virtio-scsi-pci,id=scsi0",
    "sata": "ich9-ahci,id=sata0",
}
"""Bus of the disk to its controller, where the chipset has none for it."""
# A q35 includes AHCI, which QEMU calls "ide", too.
_OWN = {("pc", "ide"), ("q35", "sata")}
_DISKS = {
    "virtio-scsi": "scsi-hd,bus=scsi0.0,device_id=drive-scsi0",
    "virtio-blk": "virtio-blk-pci",
    "sata": "ide-hd,bus=sata0.0",
}
"""Bus of the disk to the device on it."""


def qemu_args(spec: MachineSpec, endpoints: Endpoints) -> list[str]:
    """The arguments after the program's name, for QEMU 7.1 or newer.

    The machine starts stopped (``-S``): nothing of the guest runs before every observer is
    attached. Nothing is in it but what ``spec`` names: ``-nodefaults`` takes away the default
    NIC, floppy, CD-ROM, VGA and serial port; ``romfile=`` the PXE ROM; ``-boot strict=on`` keeps
    the firmware from trying anything but the disk. UEFI, which drives the NIC itself, connects
    none but the devices that it may boot from (OvmfPkg, PlatformBootManagerLib).
    """
    return argument_list(
        _process(),
        ("-accel", _TCG if spec.accelerator == "tcg" else "kvm"),
        machine_args(spec, endpoints),
    )


def machine_args(spec: MachineSpec, endpoints: Endpoints) -> list[str]:
    """The part of the arguments that defines the machine and the sockets of its streams.

    The rest says how the process runs, which is up to the backend.
    """
    return [
        *_board(spec),
        *_firmware(spec),
        *_disk(spec),
        *_direct(spec),
        *_tpm(spec),
        *_smbios(spec),
        *_nic(spec, endpoints),
        # After all that have an address: what has none takes the next one that is free.
        *_isos(spec),
        *_consoles(endpoints),
        *_vnc(endpoints),
        *_control(endpoints),
    ]


def _process() -> list[str]:
    """Stopped, without the user's configuration, without a window, and locked in."""
    sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
    return argument_list(
        ("-name", "harness,debug-threads=on"),
        ("-no-user-config", "-nodefaults", "-S", "-no-shutdown"),
        ("-display", "none"),
        ("-sandbox", sandbox),
    )


def _board(spec: MachineSpec) -> list[str]:
    flash = ""
    if spec.firmware:
        flash = ",smm=on" if spec.firmware.smm else ""
        flash += f",pflash0={_FLASH_CODE}"
        flash += f",pflash1={_FLASH_VARIABLES}" if spec.firmware.variables else ""
    return argument_list(
        ("-machine", f"{spec.chipset},usb=off{flash}"),
        ("-cpu", spec.cpu_model),
        ("-smp", f"cpus={spec.cpus}"),
        ("-m", f"size={spec.memory_mib}M"),
        ("-boot", "strict=on"),
        ("-device", "VGA,id=vga"),
        root_ports((spec.disk_address, spec.nic_address, spec.balloon_address)),
        ("-device", f"virtio-balloon-pci,id=balloon,{address_properties(spec.balloon_address)}"),
    )


def _firmware(spec: MachineSpec) -> list[str]:
    """The flash chips of UEFI, and the options that disable its network boot."""
    if spec.firmware is None:
        return []
    flash = spec.firmware
    args = _flash(_FLASH_CODE, flash.code, flash.code_format, read_only=True)
    if flash.variables:
        args += _flash(_FLASH_VARIABLES, flash.variables, flash.variables_format, read_only=False)
    if flash.smm:
        args += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    return [*args, *(word for name in _PXE for word in ("-fw_cfg", f"name={name},string=n"))]


def _flash(node: str, file: Path, image_format: str, *, read_only: bool) -> list[str]:
    chip = {
        "driver": image_format,
        "node-name": node,
        "read-only": read_only,
        "file": {"driver": "file", "filename": str(file), "read-only": read_only},
    }
    return ["-blockdev", json.dumps(chip)]


def _disk(spec: MachineSpec) -> list[str]:
    """The only disk: the image under an overlay, or an empty one.

    The overlay names no backing file: the image is joined to it here, read-only, with its format
    said. The device id is the one that Proxmox VE gives its first disk, so that
    ``/dev/disk/by-id`` in the guest is what the provider shows.
    """
    disk: dict[str, Any] = {
        "driver": "qcow2",
        "node-name": DISK_NODE,
        "discard": "unmap",
        "file": {"driver": "file", "filename": str(spec.overlay)},
        "backing": _image(spec),
    }
    common = f"id={DISK_NODE},drive={DISK_NODE},bootindex=1,werror=stop,rerror=report"
    return ["-blockdev", json.dumps(disk), *_disk_devices(spec, common)]


def _disk_devices(spec: MachineSpec, common: str) -> list[str]:
    """The controller of the disk where it needs one, and the disk with ``common`` properties."""
    if (spec.chipset, spec.disk_bus) in _OWN:
        return ["-device", f"ide-hd,bus={_PORTS[spec.chipset][0]},{common}"]
    if spec.disk_bus not in _DISKS:
        raise ValueError(f"a {spec.chipset} has no {spec.disk_bus}")
    where, device = address_properties(spec.disk_address), _DISKS[spec.disk_bus]
    controller = _CONTROLLERS.get(spec.disk_bus)
    if controller is None:
        return ["-device", f"{device},{where},{common}"]
    return ["-device", f"{controller},{where}", "-device", f"{device},{common}"]


def _image(spec: MachineSpec) -> dict[str, Any] | None:
    if spec.image is None:
        return None
    image: dict[str, Any] = {
        "driver": spec.image_format,
        "node-name": "image",
        "read-only": True,
        "file": {"driver": "file", "filename": str(spec.image), "read-only": True},
    }
    if spec.image_format == "qcow2":
        image["backing"] = None
    return image


def _isos(spec: MachineSpec) -> list[str]:
    """The drives of the seed, and of the ISO that an installer starts from.

    OVMF switches the ports of the IDE controller on only where it may boot from there, and Linux
    passes over ports that are off (drivers/ata/ata_piix.c, piix_enable_bits): under UEFI the seed
    of such a machine has a place in the boot order, too.
    """
    _, iso_port, seed_port = _PORTS[spec.chipset]
    args = []
    if spec.iso:
        args += _drive(ISO_NODE, spec.iso, f"ide-cd,bus={iso_port}", ",bootindex=2")
    seed = spec.seed
    if isinstance(seed, SeedService):
        return args
    if seed.bus == "virtio-blk":
        address = slot_after(spec.disk_address, (spec.nic_address, spec.balloon_address))
        return [*args, *_drive(SEED_NODE, seed.image, f"virtio-blk-pci,addr={address}", "")]
    order = (3 if spec.iso else 2) if spec.firmware and seed.bus == "ide" else None
    bootindex = f",bootindex={order}" if order else ""
    return [*args, *_drive(SEED_NODE, seed.image, f"ide-cd,bus={seed_port}", bootindex)]


def _drive(node: str, file: Path, device: str, bootindex: str) -> list[str]:
    iso = {
        "driver": "raw",
        "node-name": node,
        "read-only": True,
        "file": {"driver": "file", "filename": str(file), "read-only": True},
    }
    return argument_list(
        ("-blockdev", json.dumps(iso)),
        ("-device", f"{device},id={node},drive={node}{bootindex}"),
    )


def _direct(spec: MachineSpec) -> list[str]:
    """A kernel that QEMU passes to the firmware; a reset ends such a machine."""
    if spec.direct is None:
        return []
    return argument_list(
        ("-kernel", str(spec.direct.kernel), "-initrd", str(spec.direct.initrd)),
        ("-append", spec.direct.cmdline, "-action", "reboot=shutdown"),
    )


def _tpm(spec: MachineSpec) -> list[str]:
    """A TPM 2.0 that swtpm emulates, behind the interface that the chipset's machines have."""
    if spec.tpm is None:
        return []
    return argument_list(
        ("-chardev", _socket("tpm", spec.tpm)),
        ("-tpmdev", "emulator,id=tpm0,chardev=tpm"),
        ("-device", f"{_TPMS[spec.chipset]},tpmdev=tpm0"),
    )


def _smbios(spec: MachineSpec) -> list[str]:
    """The tables of the firmware that tell a guest of a service."""
    values = spec.seed.smbios if isinstance(spec.seed, SeedService) else ()
    return [word for value in values for word in ("-smbios", value)]


def _nic(spec: MachineSpec, endpoints: Endpoints) -> list[str]:
    """User networking that leads to the receiver only.

    ``restrict=on`` drops whatever is not a forward named here (QEMU invocation, "-netdev user").
    The capture takes whole frames of both directions.
    """
    net = spec.network
    # Each is a separate stream to the one receiver.
    reached = {"receiver": (net.receiver, net.receiver_port)}
    if isinstance(spec.seed, SeedService):
        reached["seed-service"] = (spec.seed.address, spec.seed.port)
    subnet = _subnet_with(net.subnet, [address for address, _ in reached.values()])
    forwards = "".join(
        f",guestfwd=tcp:{address}:{port}-chardev:{name}"
        for name, (address, port) in reached.items()
    )
    netdev = (
        f"user,id={NETDEV},ipv4=on,ipv6=off,restrict=on,net={subnet},host={net.router},"
        f"dns={net.nameserver},dhcpstart={net.dhcp_start},"
        f"hostfwd=tcp:127.0.0.1:0-{net.guest}:{net.knock_port}{forwards}"
    )
    return argument_list(
        *(("-chardev", _socket(name, endpoints.receiver_socket)) for name in reached),
        ("-netdev", netdev),
        ("-device", _nic_device(spec)),
        (
            "-object",
            f"filter-dump,id=capture,netdev={NETDEV},file={_escape(str(endpoints.capture_file))}",
        ),
    )


def _subnet_with(subnet: IPv4Network, addresses: Iterable[IPv4Address]) -> str:
    """Return the smallest network with all of ``addresses`` in it, for user networking.

    It forwards only what is in its own network (libslirp, check_guestfwd). QEMU takes a prefix
    shorter than 4 only as a mask (net/slirp.c).
    """
    around = subnet
    while not all(address in around for address in addresses):
        around = around.supernet()
    return str(around) if around == subnet else around.with_netmask


def _nic_device(spec: MachineSpec) -> str:
    where = address_properties(spec.nic_address)
    return f"{spec.nic_model},id={NIC},netdev={NETDEV},mac={spec.mac},romfile=,{where}"


def _consoles(endpoints: Endpoints) -> list[str]:
    """The serial port and the firmware's log, as streams; the observers record them, limited."""
    return argument_list(
        ("-chardev", _socket("serial", endpoints.serial_socket)),
        ("-device", "isa-serial,id=serial0,chardev=serial"),
        ("-chardev", _socket("firmware", endpoints.firmware_socket)),
        ("-device", f"isa-debugcon,iobase={SEABIOS_DEBUG_PORT:#x},chardev=firmware"),
    )


def _vnc(endpoints: Endpoints) -> list[str]:
    """The screen for a person; any process that may open the socket can see and type."""
    if endpoints.vnc_socket is None:
        return []
    return ["-vnc", f"unix:{_escape(str(endpoints.vnc_socket))}"]


def _socket(name: str, path: Path) -> str:
    return f"socket,id={name},path={_escape(str(path))}"


def _control(endpoints: Endpoints) -> list[str]:
    return argument_list(
        ("-chardev", _socket("qmp", endpoints.qmp_socket)),
        ("-mon", "chardev=qmp,mode=control"),
    )


def _escape(value: str) -> str:
    """A value inside a comma-separated option: a comma is doubled (QEMU invocation, "Syntax")."""
    return value.replace(",", ",,")
