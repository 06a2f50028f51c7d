"""A bootable disk, built from a folder without root, mounts or loop devices.

GPT with GRUB, an ext4 filled from the folder, and where wanted a last partition that holds a file
system made elsewhere. For a BIOS, GRUB's core image is in a BIOS boot partition; for UEFI it is
the file of the fallback path in an EFI system partition.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from images.recipe import Firmware, RecipeError
from images.steps import run

SECTOR_BYTES = 512
_MIB = 1 << 20

# UEFI specification 2.10, section 5.3.1: entry type GUIDs as GRUB and the discoverable
# partitions specification name them.
_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
_EFI_SYSTEM = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_LINUX_DATA = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"

BOOT_LBA = 2048
"""First sector of the BIOS boot partition, which is 1 MiB large."""
ROOT_LBA = 4096
"""First sector of the partition that is filled from the folder."""

ESP_MIB = 40
"""Size of the EFI system partition: with clusters of one sector, FAT32 begins at 33 MiB."""
# A volume of one build is the volume of every other: the serial number that mkfs.vfat would take
# from the time, as "UEFI" in ASCII.
_ESP_SERIAL = "55454649"

# GRUB 2.06, include/grub/i386/pc/boot.h: GRUB_BOOT_MACHINE_KERNEL_SECTOR, _BOOT_DRIVE_CHECK.
_KERNEL_SECTOR_AT = 0x5C
_DRIVE_CHECK_AT = 0x66
_TWO_NOPS = b"\x90\x90"
# The code ends where the disk signature and the partition table of an MBR begin.
_MBR_CODE_BYTES = 440
# boot/i386/pc/diskboot.S: the last entry of the blocklist at the end of the first sector.
_BLOCKLIST_AT = SECTOR_BYTES - 12
_GRUB_FOLDER = Path("/usr/lib/grub/i386-pc")
# The core image for UEFI does not know its disk: it searches for the file system.
_GRUB_EFI_CFG = """\
search --no-floppy --fs-uuid --set=root {uuid}
set prefix=($root)/boot/grub
"""
# The signed one takes the configuration in its own folder as its menu.
_GRUB_SIGNED_CFG = _GRUB_EFI_CFG + "configfile $prefix/grub.cfg\n"
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
    """GRUB for UEFI: the platform as grub-mkimage names it, the path that the firmware looks for.

    ``modules`` is the folder with GRUB's modules for it. ``signed`` is one with the files of
    :mod:`images.signed`, which then take the place of a GRUB made here.
    """

    platform: str
    loader: str
    modules: Path
    signed: Path | None = None


# UEFI specification 2.10, section 3.5.1.1: what the firmware starts of a disk it knows nothing of.
EFI_X86_64 = Efi("x86_64-efi", "EFI/BOOT/BOOTX64.EFI", Path("/usr/lib/grub/x86_64-efi"))


def build_disk(
    root: Root,
    scratch: Path,
    output: Path,
    data: Path | None = None,
    firmware: Firmware = "bios",
    efi: Efi = EFI_X86_64,
) -> None:
    """Write a compressed qcow2 to ``output``; ``scratch`` is a folder to work in.

    ``data`` is a raw file system that becomes the last partition as it is. ``firmware`` says
    which one can start the disk; with UEFI, which ``efi`` is for, it is larger by ``ESP_MIB``.

    The folder, or the tar, must hold ``grub.cfg`` in its ``grub_folder``. Raises RecipeError where
    a program fails.
    """
    raw = scratch / "disk.raw"
    data_bytes = data.stat().st_size if data else 0
    esp_mib = ESP_MIB if firmware != "bios" else 0
    with raw.open("xb") as file:
        # One MiB at the end is for the second GPT.
        file.truncate((root.size_mib + esp_mib + 1) * _MIB + data_bytes)
    run("sfdisk", "--quiet", raw, stdin=partition_table(root.size_mib, data_bytes, firmware))
    if firmware != "uefi":
        write_grub(raw, core_image(scratch, f"(hd0,gpt2){root.grub_folder}"))
    _write_root(root, raw)
    if esp_mib:
        _copy_into(raw, build_esp(root.uuid, scratch, efi), root.size_mib)
    if data:
        _copy_into(raw, data, root.size_mib + esp_mib)
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, output)


def _write_root(root: Root, raw: Path) -> None:
    """Make the ext4 of the folder and the tar in its partition."""
    size_kib = root.size_mib * 1024 - ROOT_LBA * SECTOR_BYTES // 1024
    offset_bytes = ROOT_LBA * SECTOR_BYTES
    mke2fs = (
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-L",
        root.label,
        "-U",
        root.uuid,
        "-d",
        root.folder,
        # Inode tables are written now: the first boot would spend time on it.
        "-E",
        f"offset={offset_bytes},lazy_itable_init=0,hash_seed={root.uuid}",
        raw,
        f"{size_kib}k",
    )
    if root.tar is None:
        run(*mke2fs, as_root=True)
    else:
        # One command, so that both halves see the same owners where root is only believed.
        # Without extended attributes: fakeroot forgets the type of a file that it is told of so.
        script = 'tar -x -f "$1" -C "$2" --numeric-owner; shift 2; exec "$@"'
        run("sh", "-ec", script, "sh", root.tar, root.folder, *mke2fs, as_root=True)


def _copy_into(raw: Path, part: Path, offset_mib: int) -> None:
    run(
        "dd",
        f"if={part}",
        f"of={raw}",
        f"seek={offset_mib}",
        "bs=1M",
        "conv=notrunc,sparse",
        "status=none",
    )


def partition_table(root_end_mib: int, data_bytes: int, firmware: Firmware = "bios") -> str:
    """Return the table as input for sfdisk; the last partition only if ``data_bytes`` is not 0.

    The root begins at ``ROOT_LBA`` with every firmware; the EFI system partition follows it.
    """
    rows = ["label: gpt"]
    if firmware != "uefi":
        rows.append(_row(BOOT_LBA, ROOT_LBA, _BIOS_BOOT, "bios"))
    end_lba = root_end_mib * _MIB // SECTOR_BYTES
    rows.append(_row(ROOT_LBA, end_lba, _LINUX_DATA, "root"))
    if firmware != "bios":
        esp_lba, end_lba = end_lba, end_lba + ESP_MIB * _MIB // SECTOR_BYTES
        rows.append(_row(esp_lba, end_lba, _EFI_SYSTEM, "esp"))
    if data_bytes:
        rows.append(_row(end_lba, end_lba + data_bytes // SECTOR_BYTES, _LINUX_DATA, "data"))
    return "\n".join(rows) + "\n"


def _row(first_lba: int, end_lba: int, kind: str, name: str) -> str:
    return f"start={first_lba}, size={end_lba - first_lba}, type={kind}, name={name}"


def build_esp(root_uuid: str, scratch: Path, efi: Efi = EFI_X86_64) -> Path:
    """Make a raw FAT32 of ``ESP_MIB`` in ``scratch``, with GRUB at the fallback path.

    GRUB takes ``boot/grub/grub.cfg`` from the file system called ``root_uuid``. Raises RecipeError
    where a program is missing or fails.
    """
    config, volume = scratch / "early.cfg", scratch / "esp.raw"
    text = _GRUB_SIGNED_CFG if efi.signed else _GRUB_EFI_CFG
    config.write_text(text.format(uuid=root_uuid), encoding="utf-8")
    if efi.signed:
        files = _signed_files(efi.signed, efi, config)
    else:
        files = {efi.loader: _grub_efi(efi, config, scratch)}
    with volume.open("xb") as file:
        file.truncate(ESP_MIB * _MIB)
    mkfs = ("mkfs.vfat", "-F", "32", "-s", "1", "-i", _ESP_SERIAL, "-n", "ESP", "--invariant")
    run(*mkfs, volume)
    folders = dict.fromkeys(Path(path).parent for path in files)
    run("mmd", "-i", volume, *(f"::{path}" for path in (Path("EFI"), *folders)))
    for path, file_of_it in files.items():
        run("mcopy", "-i", volume, file_of_it, f"::{path}")
    return volume


def _grub_efi(efi: Efi, config: Path, scratch: Path) -> Path:
    """Return GRUB as one EFI program, with ``config`` inside."""
    if not efi.modules.is_dir():
        raise RecipeError(f"{efi.modules} is missing: apt-get install grub-efi-amd64-bin.")
    loader = scratch / "grubx64.efi"
    image = ("grub-mkimage", "-O", efi.platform, "-p", "/boot/grub", "-c", config, "-o", loader)
    run(*image, "-d", efi.modules, "fat", *_GRUB_MODULES)
    return loader


def _signed_files(signed: Path, efi: Efi, config: Path) -> dict[str, Path]:
    """Return the files of the EFI system partition if shim is the loader, by path.

    The signed GRUB cannot have a configuration inside: it reads one from the folder of its
    distribution on the partition that it was started from.
    """
    folder = Path(efi.loader).parent
    return {
        efi.loader: signed / "shimx64.efi",
        f"{folder}/grubx64.efi": signed / "grubx64.efi",
        f"{folder}/mmx64.efi": signed / "mmx64.efi",
        "EFI/debian/grub.cfg": config,
    }


def core_image(scratch: Path, prefix: str, modules: tuple[str, ...] = ()) -> bytes:
    """Return GRUB's core image for a BIOS, which looks for its files in ``prefix``.

    It holds what a boot needs, or only ``modules``.
    """
    if not _GRUB_FOLDER.is_dir():
        raise RecipeError(f"{_GRUB_FOLDER} is missing: apt-get install grub-pc-bin.")
    path = scratch / "core.img"
    wanted = modules or ("biosdisk", *_GRUB_MODULES)
    run("grub-mkimage", "-O", "i386-pc", "-p", prefix, "-o", path, *wanted)
    return path.read_bytes()


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
    """Return ``core`` in whole sectors; the first one gets the location of the others."""
    sectors = -(-len(core) // SECTOR_BYTES)
    placed = bytearray(core.ljust(sectors * SECTOR_BYTES, b"\0"))
    struct.pack_into("<QH", placed, _BLOCKLIST_AT, lba + 1, sectors - 1)
    return bytes(placed)
