"""ISOs of every kind, made by the usual tools."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from harness.image.fs.newc import newc_archive

BIOS_ENTRY = ("-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4")
EFI_ENTRY = ("-e", "efi.img", "-no-emul-boot")
"""Options of xorriso for an entry of the boot catalog."""

_PE_MACHINES = {"x86-64": 0x8664, "arm64": 0xAA64, "i386": 0x014C}


def xorriso(output: Path, tree: Path, *options: object) -> Path:
    words = ["xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-o", output, *options, tree]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    return output


def genisoimage(output: Path, tree: Path, *options: object) -> Path:
    words = ["genisoimage", "-quiet", "-o", output, *options, tree]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    return output


def tree(folder: Path, *paths: str, **texts: str) -> Path:
    """Make a folder with these files; ``texts`` are contents by name."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(texts.get(path.rsplit("/", 1)[-1], f"this is {path}\n"))
    return folder


def files(folder: Path, contents: dict[str, bytes]) -> Path:
    """Make a folder with these contents by path."""
    for path, content in contents.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def linux_kernel(version: str = "6.1.0-9-amd64") -> bytes:
    """The head of a bzImage of boot protocol 2.15 for x86-64, without a payload."""
    setup = bytearray(5 * 512)
    setup[0x1F1] = 4
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, 0x020F)
    struct.pack_into("<H", setup, 0x20E, 0x400 - 0x200)
    setup[0x236] = 1
    text = f"{version} (a builder) #1".encode() + b"\0"
    setup[0x400 : 0x400 + len(text)] = text
    return bytes(setup)


def initrd(*drivers: str, builtin: str | None = "kernel/fs/ext4/ext4.ko\n") -> bytes:
    """An uncompressed archive with these modules, and modules.builtin except for None."""
    folder = "lib/modules/6.1.0-9-amd64"
    rows = {f"{folder}/kernel/drivers/{name}.ko": b"\x7fELF" for name in drivers}
    if builtin is not None:
        rows[f"{folder}/modules.builtin"] = builtin.encode()
    return newc_archive({"init": b"#!/bin/sh\n", **rows})


def bios_loader(folder: Path) -> Path:
    """A boot sector as the target of a boot catalog."""
    path = folder / "boot.bin"
    path.write_bytes(b"\xfa\xf4\xeb\xfd" + bytes(2044))
    return path


def pe_program(architecture: str) -> bytes:
    """The head of an EFI program: a DOS header that leads to a PE header."""
    head = bytearray(b"MZ".ljust(0x80, b"\0"))
    struct.pack_into("<I", head, 60, 0x80)
    return bytes(head) + b"PE\0\0" + struct.pack("<H", _PE_MACHINES[architecture]) + bytes(200)


def esp(folder: Path, *architectures: str, size_kib: int = 1440, fat: int = 12) -> Path:
    """A FAT image with a boot loader for each architecture, written by mkfs.vfat and mtools."""
    names = {"x86-64": "BOOTX64.EFI", "arm64": "BOOTAA64.EFI", "i386": "BOOTIA32.EFI"}
    image = folder / "efi.img"
    image.unlink(missing_ok=True)
    make = ["mkfs.vfat", "-F", str(fat), "-C", image, str(size_kib)]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run(["mmd", "-i", image, "::/EFI", "::/EFI/BOOT"], check=True)
    for architecture in architectures:
        program = folder / names[architecture]
        program.write_bytes(pe_program(architecture))
        subprocess.run(["mcopy", "-i", image, program, "::/EFI/BOOT/"], check=True)
    return image


def bootable(tmp_path: Path, *paths: str, options: tuple[str, ...] = BIOS_ENTRY) -> Path:
    folder = tree(tmp_path / "tree", *(paths or ("readme.txt",)))
    bios_loader(folder)
    return xorriso(tmp_path / "image.iso", folder, *options)
