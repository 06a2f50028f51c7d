"""The format of a file, detected by its content: every format that its bytes match.

The name of a file is ignored. A file can match several formats: a hybrid ISO is an ISO 9660 with a
partition table, which is normal; an ISO with a qcow2 header is a polyglot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.image.source import ImageSource, OutOfReachError

Kind = Literal["provider", "disk", "archive", "data"]
"""``provider``: qcow2 and ISO, which providers accept. ``disk``: another disk format. ``archive``:
an archive or compressed file. ``data``: nothing bootable."""

_HEAD_BYTES = 68 << 10
_VHD_FOOTER_BYTES = 512


@dataclass(frozen=True, slots=True)
class Signature:
    """A format and its magic bytes, at ``offset`` from the start.

    ``remedy`` tells how to get a supported file; ``{image}`` in it is the quoted name of this file.
    An archive has the command that unpacks it. A disk format without a remedy is one that qemu-img
    reads under the name ``format``.
    """

    format: str
    kind: Kind
    title: str
    offset: int
    magic: bytes
    remedy: str = ""


# Formats that are identified by their magic alone. Disk formats by QEMU's block drivers
# (block/*.c, *_probe); archives by their specifications and file(1)'s magic directory.
SIGNATURES = (
    Signature("qcow2", "provider", "QCOW2 disk image", 0, b"QFI\xfb\x00\x00\x00\x02"),
    Signature("qcow2", "provider", "QCOW2 disk image", 0, b"QFI\xfb\x00\x00\x00\x03"),
    Signature("qcow", "disk", "QCOW version 1 disk image", 0, b"QFI\xfb\x00\x00\x00\x01"),
    Signature("qed", "disk", "QED disk image", 0, b"QED\x00"),
    Signature("vmdk", "disk", "VMDK disk image (VMware)", 0, b"KDMV"),
    Signature("vmdk", "disk", "VMDK disk image (VMware ESX)", 0, b"COWD"),
    Signature("vmdk", "disk", "VMDK descriptor (VMware)", 0, b"# Disk DescriptorFile"),
    Signature("vhdx", "disk", "VHDX disk image (Hyper-V)", 0, b"vhdxfile"),
    Signature("vpc", "disk", "VHD disk image (dynamic)", 0, b"conectix"),
    Signature("vdi", "disk", "VDI disk image (VirtualBox)", 64, b"\x7f\x10\xda\xbe"),
    Signature("parallels", "disk", "Parallels disk image", 0, b"WithoutFreeSpace"),
    Signature("parallels", "disk", "Parallels disk image", 0, b"WithouFreSpacExt"),
    Signature("bochs", "disk", "Bochs disk image", 0, b"Bochs Virtual HD Image"),
    Signature(
        "vma", "archive", "Proxmox VE backup (VMA)", 0, b"VMA\x00", "vma extract {image} FOLDER"
    ),
    Signature(
        "simg",
        "archive",
        "Android sparse image",
        0,
        b"\x3a\xff\x26\xed",
        "simg2img {image} disk.raw   # then: qemu-img convert -f raw -O qcow2 disk.raw d.qcow2",
    ),
    Signature(
        "luks",
        "disk",
        "LUKS-encrypted disk",
        0,
        b"LUKS\xba\xbe",
        "Decrypt it (cryptsetup), and make a qcow2 of what is in it.",
    ),
    Signature("iso", "provider", "ISO 9660 disc", 32769, b"CD001"),
    Signature(
        "udf",
        "disk",
        "UDF disc without ISO 9660",
        32769,
        b"BEA01",
        "Make the disc with ISO 9660 as well: xorriso -as mkisofs -o disc.iso FOLDER",
    ),
    Signature("gzip", "archive", "gzip archive", 0, b"\x1f\x8b\x08", "gunzip --keep {image}"),
    Signature("bzip2", "archive", "bzip2 archive", 0, b"BZh", "bunzip2 --keep {image}"),
    Signature("xz", "archive", "xz archive", 0, b"\xfd7zXZ\x00", "unxz --keep {image}"),
    Signature("zstd", "archive", "zstd archive", 0, b"\x28\xb5\x2f\xfd", "unzstd {image}"),
    Signature("lz4", "archive", "lz4 archive", 0, b"\x04\x22\x4d\x18", "unlz4 {image}"),
    Signature(
        "lzop", "archive", "lzop archive", 0, b"\x89LZO\x00\r\n\x1a\n", "lzop --extract {image}"
    ),
    Signature("lzma", "archive", "lzma archive", 0, b"\x5d\x00\x00", "unlzma --keep {image}"),
    Signature("zip", "archive", "zip archive", 0, b"PK\x03\x04", "unzip {image}"),
    Signature("zip", "archive", "zip archive (empty)", 0, b"PK\x05\x06", "unzip {image}"),
    Signature(
        "compress", "archive", "compress archive", 0, b"\x1f\x9d", "uncompress --keep {image}"
    ),
    Signature("lzip", "archive", "lzip archive", 0, b"LZIP", "lzip --decompress --keep {image}"),
    Signature(
        "cab", "archive", "cabinet archive", 0, b"MSCF\x00\x00\x00\x00", "cabextract {image}"
    ),
    Signature("7z", "archive", "7-Zip archive", 0, b"7z\xbc\xaf\x27\x1c", "7z x {image}"),
    Signature("rar", "archive", "RAR archive", 0, b"Rar!\x1a\x07", "unrar x {image}"),
    Signature(
        "ova",
        "archive",
        "OVA package (VMware, VirtualBox)",
        257,
        b"ustar",
        "tar --extract --file {image}   # then: qemu-img convert -O qcow2 DISK.vmdk image.qcow2",
    ),
    Signature("tar", "archive", "tar archive", 257, b"ustar", "tar --extract --file {image}"),
    Signature("cpio", "archive", "cpio archive", 0, b"07070", "cpio --extract --file {image}"),
    Signature("ar", "archive", "ar archive (a Debian package?)", 0, b"!<arch>\n", "ar x {image}"),
    Signature(
        "rpm",
        "archive",
        "RPM package",
        0,
        b"\xed\xab\xee\xdb",
        "rpm2cpio {image} | cpio --extract --make-directories",
    ),
    Signature(
        "wim",
        "archive",
        "Windows image (WIM)",
        0,
        b"MSWIM\x00\x00\x00",
        "wimlib-imagex info {image}",
    ),
    Signature("squashfs", "data", "squashfs file system", 0, b"hsqs"),
    Signature("ext", "data", "ext2/3/4 file system without a partition table", 1080, b"\x53\xef"),
    Signature("xfs", "data", "XFS file system without a partition table", 0, b"XFSB"),
    Signature("btrfs", "data", "btrfs file system without a partition table", 65600, b"_BHRfS_M"),
    Signature("lvm", "data", "LVM physical volume", 512, b"LABELONE"),
    Signature("elf", "data", "ELF program", 0, b"\x7fELF"),
    Signature("pdf", "data", "PDF document", 0, b"%PDF-"),
)

# Formats that an ISO may begin with: they are in its system area, which ISO 9660 leaves free
# (ECMA-119, 6.2.1).
_HYBRID = frozenset({"raw", "elf"})


@dataclass(frozen=True, slots=True)
class Container:
    """The formats that the bytes of a file match, the most specific first. Never empty."""

    readings: tuple[Signature, ...]

    @property
    def format(self) -> str:
        """The most specific format, such as ``qcow2``, ``iso``, ``raw`` or ``gzip``."""
        return self.readings[0].format

    @property
    def title(self) -> str:
        """The name of that format for people."""
        return self.readings[0].title

    @property
    def kind(self) -> Kind:
        """The kind of that format."""
        return self.readings[0].kind

    @property
    def polyglot(self) -> tuple[Signature, ...]:
        """All formats where readers could disagree on the format; else empty."""
        formats = {reading.format for reading in self.readings}
        if len(formats - {"udf"} if "iso" in formats else formats) < 2:
            return ()
        return self.readings


def identify(source: ImageSource) -> Container:
    """Detect the formats of a file by its first 68 KiB and its last 512 bytes.

    Never raises for their content.
    """
    head = source.read_at(0, _HEAD_BYTES)
    if not head:
        return Container((_plain("empty", "data", "empty file"),))
    found = [row for row in SIGNATURES if head[row.offset :].startswith(row.magic)]
    found = [row for row in found if _CONFIRM.get(row.format, _always)(head)]
    if not any(row.format == "vpc" for row in found) and _has_vhd_footer(source):
        found.append(_plain("vpc", "disk", "VHD disk image (fixed size)"))
    if found:
        # "raw" is the fallback: every file is some raw disk.
        return Container(tuple(_by_rank(found)))
    return Container((_without_magic(head),))


def _by_rank(found: list[Signature]) -> list[Signature]:
    """Disk formats first, then ISOs, then the rest: QEMU's probing trusts the first bytes."""
    kinds = ("provider", "disk", "archive", "data")
    rows = {row.format: row for row in reversed(found)}.values()
    ranked = sorted(rows, key=lambda row: (row.offset >= 32768, kinds.index(row.kind)))
    iso = any(row.format in ("iso", "udf") for row in ranked)
    return [row for row in ranked if not (iso and row.format in _HYBRID)]


def _plain(format_name: str, kind: Kind, title: str) -> Signature:
    return Signature(format_name, kind, title, 0, b"")


def _has_vhd_footer(source: ImageSource) -> bool:
    """Tell whether the file ends like a fixed VHD (VHD specification 1.0, "Hard Disk Footer")."""
    if source.size_bytes < 2 * _VHD_FOOTER_BYTES:
        return False
    try:
        footer = source.read_at(source.size_bytes - _VHD_FOOTER_BYTES, 16)
    except OutOfReachError:
        return False
    return footer.startswith(b"conectix")


def _is_ova(head: bytes) -> bool:
    """Tell whether a tar begins with the descriptor of an OVA (OVF specification 2.1, 5.3)."""
    return head[:100].split(b"\0")[0].lower().endswith(b".ovf")


def _is_other_tar(head: bytes) -> bool:
    return not _is_ova(head)


def _is_ext(head: bytes) -> bool:
    """Tell an ext filesystem by its two magic bytes and a plausible block size and inode count."""
    inodes, blocks, log_block_size = (
        int.from_bytes(head[1024 + at : 1024 + at + 4], "little") for at in (0, 4, 24)
    )
    return inodes > 0 and blocks > 0 and log_block_size <= 6


def _is_lzma(head: bytes) -> bool:
    """Tell a .lzma header, which has no magic: a power of two as dictionary size, no file size."""
    dictionary = int.from_bytes(head[1:5], "little")
    return dictionary.bit_count() == 1 and head[5:13] in (b"\xff" * 8, head[5:9] + bytes(4))


def _is_bzip2(head: bytes) -> bool:
    return head[3:4].isdigit() and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")


def _always(_: bytes) -> bool:
    return True


_CONFIRM: dict[str, Callable[[bytes], bool]] = {
    "ext": _is_ext,
    "ova": _is_ova,
    "tar": _is_other_tar,
    "lzma": _is_lzma,
    "bzip2": _is_bzip2,
}


def _without_magic(head: bytes) -> Signature:
    """The signature of a file without magic: a raw disk, text, or unknown data."""
    if head[510:512] == b"\x55\xaa":
        if head[3:11] == b"NTFS    ":
            return _plain("ntfs", "data", "NTFS file system without a partition table")
        return _plain("raw", "disk", "raw disk image")
    if head[512:520] == b"EFI PART":
        return _plain("raw", "disk", "raw disk image")
    if not any(head):
        return _plain("raw", "disk", "raw disk image that begins with zeros")
    text = head[:1024].lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return _plain("html", "data", "web page")
    if all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in head[:1024]):
        return _plain("text", "data", "text file")
    return _plain("unknown", "data", "file of an unknown format")
