"""GRUB's core image for a BIOS: the modules in it, and the folder of the others.

After GRUB's sources: util/mkimage.c (a decompressor, then the kernel and its modules as a raw LZMA
stream), include/grub/offsets.h, include/grub/kernel.h (the list of modules) and
boot/i386/pc/diskboot.S (the list of sectors).
"""

from __future__ import annotations

import lzma
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from harness.image.source import ImageSource

_SECTOR_BYTES = 512
_BLOCKLIST_AT = _SECTOR_BYTES - 12
_SIZES_AT = 0x08  # GRUB_DECOMPRESSOR_I386_PC_COMPRESSED_SIZE, and the size unpacked behind it
_MAX_DECOMPRESSOR_BYTES = 9 * 1024  # GRUB_DECOMPRESSOR_I386_PC_MAX_DECOMPRESSOR_SIZE
_MAX_CORE_BYTES = 1 << 20
_MAX_UNPACKED_BYTES = 8 << 20
# util/mkimage.c, compress_kernel_lzma: a raw stream with these properties.
_FILTERS = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2}]
_MODULES_MAGIC = b"mimg"
_TYPE_ELF, _TYPE_PREFIX = 0, 3  # enum in include/grub/kernel.h
_MAX_MODULES = 512


@dataclass(frozen=True, slots=True)
class GrubCore:
    """The ``modules`` in a core image, and the ``prefix`` of others: ``(hd0,gpt2)/boot/grub``."""

    modules: frozenset[str]
    prefix: str

    @property
    def folder(self) -> str:
        """The path in ``prefix`` without the device."""
        return re.sub(r"^\([^)]*\)", "", self.prefix)


def read_grub_core(disk: ImageSource, sector: int) -> GrubCore | None:
    """Read the core image that begins in ``sector``; None for an unknown structure."""
    start = sector * _SECTOR_BYTES
    first = disk.read_at(start, _SECTOR_BYTES)
    if len(first) < _SECTOR_BYTES:
        return None
    (sectors,) = struct.unpack_from("<H", first, _BLOCKLIST_AT + 8)
    body = disk.read_at(start + _SECTOR_BYTES, min(sectors * _SECTOR_BYTES, _MAX_CORE_BYTES))
    if len(body) < _SIZES_AT + 8:
        return None
    packed_bytes, unpacked_bytes = struct.unpack_from("<II", body, _SIZES_AT)
    if packed_bytes > len(body) or unpacked_bytes > _MAX_UNPACKED_BYTES:
        return None
    for unpacked in _candidates(body, packed_bytes, unpacked_bytes):
        core = _read_modules(unpacked)
        if core:
            return core
    return None


def _candidates(body: bytes, packed_bytes: int, unpacked_bytes: int) -> Iterator[bytes]:
    """Yield the streams that unpack to the stated size: the end of the decompressor is unknown.

    A stream of LZMA begins with a zero; other data fails after a few bytes.
    """
    last = min(_MAX_DECOMPRESSOR_BYTES, len(body) - packed_bytes)
    for at in range(_SECTOR_BYTES, last + 1):
        if body[at : at + 1] != b"\0":
            continue
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
        try:
            unpacked = decompressor.decompress(body[at : at + packed_bytes], unpacked_bytes)
        except lzma.LZMAError:
            continue
        if len(unpacked) == unpacked_bytes:
            yield unpacked


def _read_modules(unpacked: bytes) -> GrubCore | None:
    """Read the module list after the kernel: a magic, the offset of the first entry, the size."""
    for match in re.finditer(_MODULES_MAGIC, unpacked):
        at = match.start()
        if at + 12 > len(unpacked):
            continue
        offset, size = struct.unpack_from("<II", unpacked, at + 4)
        if offset == 12 and offset < size <= len(unpacked) - at:
            entries = list(_entries(unpacked[at + offset : at + size]))
            names = (_module_name(data) for kind, data in entries if kind == _TYPE_ELF)
            prefixes = [data for kind, data in entries if kind == _TYPE_PREFIX]
            prefix = prefixes[0].split(b"\0")[0].decode("utf-8", "replace") if prefixes else ""
            return GrubCore(frozenset(name for name in names if name), prefix)
    return None


def _entries(area: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(_MAX_MODULES):
        if at + 8 > len(area):
            return
        kind, size = struct.unpack_from("<II", area, at)
        if size < 8:
            return
        yield kind, area[at + 8 : at + size]
        at += size


def _module_name(elf: bytes) -> str:
    """The content of the section ``.modname`` of a module, a 32-bit ELF (System V ABI, 4)."""
    try:
        (table,) = struct.unpack_from("<I", elf, 0x20)
        entry_bytes, count, names_index = struct.unpack_from("<HHH", elf, 0x2E)
        rows = [struct.unpack_from("<10I", elf, table + entry_bytes * i) for i in range(count)]
        names = elf[rows[names_index][4] :]
        for row in rows:
            if names[row[0] :].startswith(b".modname\0"):
                return elf[row[4] : row[4] + row[5]].split(b"\0")[0].decode("ascii", "replace")
    except (struct.error, IndexError):
        pass
    return ""
