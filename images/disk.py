"""A disk that can be started, put together from a folder: no root, no mount, no loop device.

GPT with GRUB in a first small partition (its core image for a BIOS, or an EFI system partition),
an ext4 filled from the folder, and where wanted a third partition that holds what was made
elsewhere.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from images.recipe import RecipeError
from images.steps import run

SECTOR_BYTES = 512
_MIB = 1 << 20

# UEFI specification 2.10, section 5.3.1: entry type GUIDs as GRUB and the discoverable
# partitions specification name them.
_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
_LINUX_DATA = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
_EFI_SYSTEM = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"

BOOT_LBA = 2048
"""First sector of the partition with the boot loader, which is 1 MiB large."""
ROOT_LBA = 4096
"""First sector of the partition that is filled from the folder."""

# GRUB 2.06, include/grub/i386/pc/boot.h: GRUB_BOOT_MACHINE_KERNEL_SECTOR, _BOOT_DRIVE_CHECK.
_KERNEL_SECTOR_AT = 0x5C
_DRIVE_CHECK_AT = 0x66
_TWO_NOPS = b"\x90\x90"
# The code ends where the disk signature and the partition table of an MBR begin.
_MBR_CODE_BYTES = 440
# boot/i386/pc/diskboot.S: the last entry of the blocklist at the end of the first sector.
_BLOCKLIST_AT = SECTOR_BYTES - 12
_GRUB_FOLDER = Path("/usr/lib/grub/i386-pc")
_GRUB_MODULES = [
    "part_gpt",
    "part_msdos",
    "ext2",
    "normal",
    "linux",
    "configfile",
    "search",
    "search_fs_uuid",
    "search_label",
    "serial",
    "terminal",
    "echo",
    "test",
    "ls",
    "cat",
    "all_video",
    "halt",
    "reboot",
]


@dataclass(frozen=True, slots=True)
class Root:
    """The file system: what is in it, how it is named, and where it ends on the disk.

    It ends ``size_mib`` after the disk's begin. What is in ``tar`` is unpacked into ``folder``
    first, with its owners.
    """

    folder: Path
    uuid: str
    label: str
    size_mib: int
    tar: Path | None = None
    grub_folder: str = "/boot/grub"


@dataclass(frozen=True, slots=True)
class Efi:
    """GRUB for UEFI: the platform as grub-mkimage names it, the file name that firmware looks for.

    ``modules`` is the folder with GRUB's modules for it.
    """

    platform: str
    file_name: str
    modules: Path


def build_disk(
    root: Root, scratch: Path, output: Path, data: Path | None = None, efi: Efi | None = None
) -> None:
    """Write a compressed qcow2 to ``output``; ``scratch`` is a folder to work in.

    ``data`` becomes the last partition as it is. With ``efi`` it is UEFI that can start the disk,
    and no BIOS.

    The folder, or the tar, must hold ``grub.cfg`` in its ``grub_folder``. Raises RecipeError where
    a program fails.
    """
    raw = scratch / "disk.raw"
    data_bytes = data.stat().st_size if data else 0
    with raw.open("xb") as file:
        # One MiB at the end is for the second GPT.
        file.truncate((root.size_mib + 1) * _MIB + data_bytes)
    table = partition_table(root.size_mib, data_bytes, _EFI_SYSTEM if efi else _BIOS_BOOT)
    run("sfdisk", "--quiet", raw, stdin=table)
    prefix = f"(hd0,gpt2){root.grub_folder}"
    if efi:
        write_efi(raw, efi, prefix, scratch)
    else:
        write_grub(raw, core_image(scratch, prefix))
    size_kib = root.size_mib * 1024 - ROOT_LBA * SECTOR_BYTES // 1024
    offset_bytes = ROOT_LBA * SECTOR_BYTES
    mke2fs = (
        *("mke2fs", "-q", "-t", "ext4", "-L", root.label, "-U", root.uuid, "-d", root.folder),
        # Inode tables are written now: the first boot would spend time on it.
        *("-E", f"offset={offset_bytes},lazy_itable_init=0,hash_seed={root.uuid}"),
        *(raw, f"{size_kib}k"),
    )
    if root.tar is None:
        run(*mke2fs, as_root=True)
    else:
        # One command, so that both halves see the same owners where root is only believed.
        # Without extended attributes: fakeroot forgets the type of a file that it is told of so.
        script = 'tar -x -f "$1" -C "$2" --numeric-owner; shift 2; exec "$@"'
        run("sh", "-ec", script, "sh", root.tar, root.folder, *mke2fs, as_root=True)
    if data:
        run(
            *("dd", f"if={data}", f"of={raw}", f"seek={root.size_mib}", "bs=1M"),
            *("conv=notrunc,sparse", "status=none"),
        )
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, output)


def partition_table(root_end_mib: int, data_bytes: int, first_type: str = _BIOS_BOOT) -> str:
    """The table in sfdisk's words; the last partition only where ``data_bytes`` is not 0."""
    root_end_lba = root_end_mib * _MIB // SECTOR_BYTES
    rows = [
        "label: gpt",
        f"start={BOOT_LBA}, size={ROOT_LBA - BOOT_LBA}, type={first_type}, name=boot",
        f"start={ROOT_LBA}, size={root_end_lba - ROOT_LBA}, type={_LINUX_DATA}, name=root",
    ]
    if data_bytes:
        size = data_bytes // SECTOR_BYTES
        rows.append(f"start={root_end_lba}, size={size}, type={_LINUX_DATA}, name=data")
    return "\n".join(rows) + "\n"


def core_image(scratch: Path, prefix: str, modules: tuple[str, ...] = ()) -> bytes:
    """GRUB's core image for a BIOS, which looks for its files in ``prefix``.

    It holds what a boot needs, or only ``modules``.
    """
    if not _GRUB_FOLDER.is_dir():
        raise RecipeError(f"{_GRUB_FOLDER} is missing: apt-get install grub-pc-bin.")
    path = scratch / "core.img"
    wanted = modules or ("biosdisk", *_GRUB_MODULES)
    run("grub-mkimage", "-O", "i386-pc", "-p", prefix, "-o", path, *wanted)
    return path.read_bytes()


def write_efi(disk: Path, efi: Efi, prefix: str, scratch: Path) -> None:
    """Make the first partition an EFI system partition with GRUB in it, which uses ``prefix``.

    GRUB starts the kernel through its EFI stub, so that no other file is needed.
    """
    if not efi.modules.is_dir():
        raise RecipeError(f"{efi.modules} is missing: install GRUB's modules for {efi.platform}.")
    program, volume = scratch / "grub.efi", scratch / "esp.img"
    run(
        *("grub-mkimage", "-d", efi.modules, "-O", efi.platform, "-p", prefix, "-o", program),
        *_GRUB_MODULES,
    )
    size_bytes = (ROOT_LBA - BOOT_LBA) * SECTOR_BYTES
    run("mkfs.fat", "-C", "-n", "ESP", "-i", "e5be5be5", volume, str(size_bytes // 1024))
    run("mmd", "-i", volume, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", volume, program, f"::/EFI/BOOT/{efi.file_name}")
    run("sfdisk", "--quiet", "--part-type", disk, "1", _EFI_SYSTEM)
    with disk.open("r+b") as file:
        file.write(bytes(_MBR_CODE_BYTES))
        file.seek(BOOT_LBA * SECTOR_BYTES)
        file.write(volume.read_bytes())


def write_grub(disk: Path, core: bytes) -> None:
    """Put GRUB's boot sector and ``core`` where a BIOS and they themselves look for them.

    The partition table in the first sector stays. Raises RecipeError where ``core`` does not fit.
    """
    boot = bytearray((_GRUB_FOLDER / "boot.img").read_bytes())
    place_boot_sector(boot, BOOT_LBA)
    placed = place_core(core, BOOT_LBA)
    if len(placed) > (ROOT_LBA - BOOT_LBA) * SECTOR_BYTES:
        raise RecipeError(f"GRUB's core image of {len(placed)} bytes does not fit its partition.")
    with disk.open("r+b") as file:
        file.write(boot[:_MBR_CODE_BYTES])
        file.seek(BOOT_LBA * SECTOR_BYTES)
        file.write(placed)


def place_boot_sector(boot: bytearray, core_lba: int) -> None:
    """Make GRUB's ``boot.img`` load its core from sector ``core_lba``.

    The test of the drive number is disabled as grub-install does for a disk that is no floppy:
    some firmware passes a wrong one.
    """
    struct.pack_into("<Q", boot, _KERNEL_SECTOR_AT, core_lba)
    boot[_DRIVE_CHECK_AT : _DRIVE_CHECK_AT + 2] = _TWO_NOPS


def place_core(core: bytes, lba: int) -> bytes:
    """``core`` in whole sectors, its first one told where the others are."""
    sectors = -(-len(core) // SECTOR_BYTES)
    placed = bytearray(core.ljust(sectors * SECTOR_BYTES, b"\0"))
    struct.pack_into("<QH", placed, _BLOCKLIST_AT, lba + 1, sectors - 1)
    return bytes(placed)
