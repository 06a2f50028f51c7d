"""Disks with a small Linux, made without root: real filesystems with invented files."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "6.1.0-1-cloud-amd64"
ROOT_UUID = "5f3b1a52-9d57-4f0e-8a3f-0d8d2f6f6f11"
MIB = 1 << 20
_DRIVERS = ("virtio_pci", "virtio_scsi", "sd_mod", "virtio_net", "ata_piix", "sr_mod", "isofs")

GRUB_CFG = """\
set default="0"
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple' {{
    search --no-floppy --fs-uuid --set=root {uuid}
    linux /boot/vmlinuz-{version} {cmdline}
    initrd /boot/initrd.img-{version}
}}
"""


def kernel(*, x86_64: bool = True, version: str = VERSION) -> bytes:
    """The head of a bzImage (Linux Documentation/arch/x86/boot.rst)."""
    image = bytearray(4096)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x020F)
    struct.pack_into("<H", image, 0x20E, 0x400)
    struct.pack_into("<H", image, 0x236, 0x1 if x86_64 else 0)
    text = version.encode() + b" (builder) #1"
    image[0x600 : 0x600 + len(text)] = text
    return bytes(image)


def elf(machine: int = 62) -> bytes:
    """The head of a program."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + bytes(44)


def initramfs(work: Path, *drivers: str, **files: str) -> bytes:
    """An initramfs with these modules and files (``__`` in a name is a slash)."""
    work.mkdir(parents=True)
    for driver in drivers:
        path = work / f"usr/lib/modules/{VERSION}/kernel/{driver}.ko"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"module")
    for name, text in files.items():
        path = work / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (work / "init").write_text("#!/bin/sh\n")
    command = "find . -print | cpio --quiet -o -H newc | gzip -1"
    return subprocess.run(command, shell=True, cwd=work, capture_output=True, check=True).stdout


@dataclass
class Linux:
    """A system to write to a disk: change its files, then call :meth:`write`."""

    work: Path
    cmdline: str = f"root=UUID={ROOT_UUID} ro console=ttyS0"
    fstab: str = f"UUID={ROOT_UUID} / ext4 defaults 0 1\n"
    files: dict[str, bytes | None] = field(default_factory=dict)
    early: tuple[str, ...] = (*_DRIVERS, "ext4")
    on_root: tuple[str, ...] = (*_DRIVERS, "ext4")
    built_in: tuple[str, ...] = ()
    initramfs_files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def root(self) -> Path:
        """The folder with the files of the system."""
        root = self.work / "root"
        modules = f"usr/lib/modules/{VERSION}"
        contents: dict[str, bytes | None] = {
            "etc/os-release": b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            "etc/fstab": self.fstab.encode(),
            "etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
            "usr/bin/sh": elf(),
            "usr/lib/systemd/systemd": elf(),
            "usr/bin/cloud-init": b"#!/usr/bin/python3\n",
            "usr/lib/systemd/system-generators/cloud-init-generator": b"#!/bin/sh\n",
            "etc/cloud/cloud.cfg": b"users:\n  - default\n",
            f"{modules}/modules.dep": "".join(
                f"kernel/{name}.ko:\n" for name in self.on_root
            ).encode(),
            f"{modules}/modules.builtin": "".join(
                f"kernel/{name}.ko\n" for name in (*self.built_in, "core")
            ).encode(),
            **{f"{modules}/kernel/{name}.ko": b"module" for name in self.on_root},
            f"boot/vmlinuz-{VERSION}": kernel(),
            f"boot/initrd.img-{VERSION}": initramfs(
                self.work / "early", *self.early, **self.initramfs_files
            ),
            "boot/grub/grub.cfg": GRUB_CFG.format(
                uuid=ROOT_UUID, version=VERSION, cmdline=self.cmdline
            ).encode(),
        }
        contents.update(self.files)
        for path, content in contents.items():
            if content is not None:
                file = root / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        if not (root / "bin").exists():
            (root / "bin").symlink_to("usr/bin")
            (root / "sbin").mkdir()
            (root / "sbin/init").symlink_to("/lib/systemd/systemd")
            (root / "lib").symlink_to("usr/lib")
        for path, target in self.links.items():
            (root / path).symlink_to(target)
        return root

    def write(self, *, boot_code: bool = True, size_mib: int = 64) -> Path:
        """A qcow2 of the system on a GPT disk with GRUB's boot code."""
        raw = self.work / "disk.raw"
        with raw.open("wb") as file:
            file.truncate(size_mib * MIB)
        bios_boot = "21686148-6449-6E6F-744E-656564454649"
        script = f"label: gpt\nstart=2048,size=2048,type={bios_boot}\nstart=4096\n"
        subprocess.run(["sfdisk", "-q", raw], input=script, text=True, check=True)
        words = ["mke2fs", "-q", "-t", "ext4", "-U", ROOT_UUID, "-d", self.root()]
        words += ["-E", f"offset={4096 * 512}", raw, f"{(size_mib - 3) * 1024}k"]
        subprocess.run([str(word) for word in words], check=True, capture_output=True)
        if boot_code:
            write_boot_code(raw)
        return as_qcow2(raw)


def write_boot_code(raw: Path) -> None:
    """Write GRUB's boot.img to the first sector, and a core for it to load to sector 2048."""
    boot = bytearray(Path("/usr/lib/grub/i386-pc/boot.img").read_bytes()[:440])
    struct.pack_into("<Q", boot, 0x5C, 2048)
    with raw.open("r+b") as file:
        file.write(boot)
        file.seek(2048 * 512)
        file.write(b"core" * 128)


def as_qcow2(raw: Path) -> Path:
    image = raw.with_suffix(".qcow2")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], check=True)
    return image
