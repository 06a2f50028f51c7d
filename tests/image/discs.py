"""Discs of every kind, made by the tools that people make them with."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

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
    """A folder with these files in it; ``texts`` are contents, by name."""
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(texts.get(path.rsplit("/", 1)[-1], f"this is {path}\n"))
    return folder


def bios_loader(folder: Path) -> Path:
    """A boot sector of a kind, to point a boot catalog at."""
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
