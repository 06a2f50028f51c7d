"""A stand-in for a Windows without the provider's disk driver, made of nothing of Microsoft's.

An NTFS volume with the bones that inspection looks for (a kernel, a boot manager, a registry
whose services name other disk drivers), and boot code that paints the text of STOP 0x7B in VGA
text mode and stops, as Windows 7 does where its disk has no driver.
"""

from __future__ import annotations

import struct
from pathlib import Path

from images.disk import SECTOR_BYTES
from images.recipe import RECIPES, WindowsStandIn
from images.steps import run, say

_FIRST_LBA = 2048
_NTFS = 0x07
_MBR_CODE_BYTES = 440
# An empty hive after libregf, "Windows NT Registry File (REGF) format": a base block, one bin with
# the root key, and the rest of the bin free.
_BIN_BYTES = 4096
_ROOT_CELL = 0x20
_KEY_ROOT_ASCII = 0x2C
_KEY_BYTES = 76
_NO_CELL = 0xFFFFFFFF

_PREFIX = r"HKEY_LOCAL_MACHINE\SYSTEM"
_SYSTEM = r"""Windows Registry Editor Version 5.00

[{root}\Select]
"Current"=dword:00000001
"Default"=dword:00000001

[{root}\ControlSet001]

[{root}\ControlSet001\Services]

[{root}\ControlSet001\Services\{service}]
"Type"=dword:00000001
"Start"=dword:00000000
"ErrorControl"=dword:00000003
"Group"="SCSI miniport"
"ImagePath"="system32\\drivers\\{service}.sys"

[{root}\ControlSet001\Control]

[{root}\ControlSet001\Control\CriticalDeviceDatabase]

[{root}\ControlSet001\Control\CriticalDeviceDatabase\pci#ven_8086&dev_7010]
"Service"="{service}"
"ClassGUID"="{{4D36E96A-E325-11CE-BFC1-08002BE10318}}"
"""


def build_windows_stand_in(recipe: WindowsStandIn, scratch: Path, output: Path) -> None:
    """Write the disk to ``output`` as qcow2."""
    say("windows: writing the disk of the stand-in")
    raw, volume = scratch / "disk.raw", scratch / "ntfs.raw"
    size_bytes = recipe.size_mib << 20
    for path, size in ((raw, size_bytes), (volume, size_bytes - _FIRST_LBA * SECTOR_BYTES)):
        with path.open("xb") as file:
            file.truncate(size)
    rows = f"label: dos\nstart={_FIRST_LBA}, type={_NTFS:x}, bootable\n"
    run("sfdisk", "--quiet", raw, stdin=rows)
    run("mkntfs", "--quiet", "--fast", "--force", "-p", str(_FIRST_LBA), volume)
    archive = scratch / "windows.wim"
    run("wimcapture", _typical_files(scratch), archive, "--compress=none", "--no-acls")
    run("wimapply", archive, "1", volume)
    seek = f"seek={_FIRST_LBA}"
    run("dd", f"if={volume}", f"of={raw}", seek, "conv=notrunc,sparse", "status=none")
    code = scratch / "boot.bin"
    run("nasm", "-f", "bin", "-o", code, RECIPES / "windows-7b-stand-in" / "boot.asm")
    with raw.open("r+b") as file:
        file.write(code.read_bytes()[:_MBR_CODE_BYTES])
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, output)


def _typical_files(scratch: Path) -> Path:
    """Make a folder with the files that inspection looks for; none is a real program."""
    root = scratch / "windows"
    system = root / "Windows" / "System32"
    (system / "config").mkdir(parents=True)
    (system / "drivers").mkdir()
    stand_in = b"MZ This is a stand-in that holds no code of Windows.\r\n"
    for path in (system / "ntoskrnl.exe", root / "bootmgr", system / "drivers" / "intelide.sys"):
        path.write_bytes(stand_in)
    registry = scratch / "system.reg"
    registry.write_text(_SYSTEM.format(root=_PREFIX, service="intelide"), encoding="utf-8")
    hive = system / "config" / "SYSTEM"
    hive.write_bytes(empty_hive())
    run("hivexregedit", "--merge", "--prefix", _PREFIX, hive, registry)
    return root


def empty_hive() -> bytes:
    """Return a registry hive with one key, its root, and the security that keys share."""
    name = b"$$$PROTO.HIV"
    security_at = _ROOT_CELL + len(_cell(bytes(_KEY_BYTES) + name))
    key = struct.pack(
        "<2sHQIIIIIIIIIIIIIIIHH",
        b"nk",
        _KEY_ROOT_ASCII,
        0,
        0,
        0,
        0,
        0,
        _NO_CELL,
        _NO_CELL,
        0,
        _NO_CELL,
        security_at,
        _NO_CELL,
        0,
        0,
        0,
        0,
        0,
        len(name),
        0,
    )
    # A self-relative descriptor without owner, group and lists (MS-DTYP, 2.4.6).
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    links = (security_at, security_at, 1, len(descriptor))
    security = struct.pack("<2sHIIII", b"sk", 0, *links) + descriptor
    content = b"hbin" + struct.pack("<II", 0, _BIN_BYTES) + bytes(20)
    content += _cell(key + name) + _cell(security)
    free_bytes = _BIN_BYTES - len(content)
    content += struct.pack("<i", free_bytes) + bytes(free_bytes - 4)
    head = bytearray(4096)
    fields = (1, 1, 0, 1, 3, 0, 1, _ROOT_CELL, _BIN_BYTES, 1)
    struct.pack_into("<4sIIQIIIIIII", head, 0, b"regf", *fields)
    checksum = 0
    for (word,) in struct.iter_unpack("<I", head[:508]):
        checksum ^= word
    struct.pack_into("<I", head, 508, checksum)
    return bytes(head) + content


def _cell(content: bytes) -> bytes:
    """Return a cell in use: its size is negative, and a multiple of eight."""
    size_bytes = 4 + len(content)
    size_bytes += -size_bytes % 8
    return struct.pack("<i", -size_bytes) + content.ljust(size_bytes - 4, b"\0")
