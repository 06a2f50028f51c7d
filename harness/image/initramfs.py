"""An initramfs: concatenated cpio archives, packed or not, read for names and small files.

After the kernel's driver-api/early-userspace/buffer-format.rst. Each archive may be packed in its
own way: microcode comes first and plain, the rest after it.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import lz4.block

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_UNPACKED_BYTES = 512 << 20
_KEPT_FILE_BYTES = 256 << 10
_HEADER_BYTES = 110
_LZ4_BLOCK_BYTES = 8 << 20


class InitramfsError(ValueError):
    """It cannot be read; ``str()`` says where and why."""


@dataclass(frozen=True, slots=True)
class Initramfs:
    """``names`` are all paths in it, without a leading slash; ``files`` are configuration."""

    names: frozenset[str]
    files: dict[str, bytes]


def read_initramfs(content: bytes) -> Initramfs:
    """The names and small files of an initramfs. Raises InitramfsError for a damaged one."""
    names: set[str] = set()
    files: dict[str, bytes] = {}
    for name, data in _entries(content, 0):
        names.add(name)
        if _is_wanted(name) and len(data) <= _KEPT_FILE_BYTES:
            files[name] = bytes(data)
    if not names:
        raise InitramfsError("no archive is in it")
    return Initramfs(frozenset(names), files)


def _is_wanted(name: str) -> bool:
    return "modprobe.d/" in name or name.endswith(("modules.builtin", "conf/modules"))


def _entries(content: bytes, depth: int) -> Iterator[tuple[str, memoryview]]:
    """The entries of all archives, one after the other."""
    if depth > 3:
        raise InitramfsError("archives are packed in archives without an end")
    view = memoryview(content)
    at = 0
    while at < len(view):
        if view[at] == 0:
            at += 1 if at % 4 or len(view) - at < 4 else _zeros(view, at)
        elif bytes(view[at : at + 6]) in (b"070701", b"070702"):
            at = yield from _cpio(view, at)
        else:
            unpacked, rest = _unpack(bytes(view[at:]), at)
            yield from _entries(unpacked, depth + 1)
            if not rest:
                return
            at = len(view) - len(rest)


def _zeros(view: memoryview, at: int) -> int:
    """How many zero bytes follow, four at a time: padding between archives."""
    end = at
    while end < len(view) and bytes(view[end : end + 4]) == b"\0\0\0\0":
        end += 4
    return max(end - at, 1)


def _cpio(view: memoryview, at: int) -> Generator[tuple[str, memoryview], None, int]:
    """One newc archive; what it returns is the offset after its trailer."""
    while True:
        header = bytes(view[at : at + _HEADER_BYTES])
        if len(header) < _HEADER_BYTES or header[:6] not in (b"070701", b"070702"):
            raise InitramfsError(f"byte {at}: the archive breaks off")
        try:
            size = int(header[54:62], 16)
            name_bytes = int(header[94:102], 16)
        except ValueError as error:
            raise InitramfsError(f"byte {at}: no header of an archive") from error
        start = at + _HEADER_BYTES
        name = bytes(view[start : start + name_bytes]).rstrip(b"\0").decode("utf-8", "replace")
        data = _aligned(start + name_bytes)
        if data + size > len(view):
            raise InitramfsError(f"byte {at}: {name!r} is cut off")
        at = _aligned(data + size)
        if name == "TRAILER!!!":
            return at
        yield name.lstrip("./").lstrip("/") or ".", view[data : data + size]


def _aligned(offset: int) -> int:
    return (offset + 3) & ~3


def _unpack(packed: bytes, at: int) -> tuple[bytes, bytes]:
    """What a packed stream holds, and what comes after it."""
    try:
        if packed.startswith(b"\x1f\x8b"):
            return _stream(zlib.decompressobj(wbits=31), packed)
        if packed.startswith(b"\xfd7zXZ\0"):
            return _stream(lzma.LZMADecompressor(lzma.FORMAT_XZ), packed)
        if packed.startswith(b"\x5d\0\0"):
            return _stream(lzma.LZMADecompressor(lzma.FORMAT_ALONE), packed)
        if packed.startswith(b"BZh"):
            return _stream(bz2.BZ2Decompressor(), packed)
        if packed.startswith(b"\x28\xb5\x2f\xfd"):
            return _stream(zstd.ZstdDecompressor(), packed)
        if packed.startswith(b"\x02\x21\x4c\x18"):
            return _lz4_legacy(packed), b""
    except (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError, ValueError) as error:
        raise InitramfsError(f"byte {at}: cannot be unpacked: {error}") from error
    raise InitramfsError(f"byte {at}: packed in an unknown way ({packed[:4].hex(' ')})")


def _stream(decompressor: object, packed: bytes) -> tuple[bytes, bytes]:
    unpacked: bytes = decompressor.decompress(packed, MAX_UNPACKED_BYTES)  # type: ignore[attr-defined]
    if not decompressor.eof:  # type: ignore[attr-defined]
        raise InitramfsError("a packed archive breaks off, or is larger than any initramfs")
    return unpacked, decompressor.unused_data  # type: ignore[attr-defined]


def _lz4_legacy(packed: bytes) -> bytes:
    """The legacy frame of lz4 (LZ4 Frame Format 1.6, "Legacy frame"), as the kernel reads it."""
    parts = []
    at, total = 4, 0
    while at + 4 <= len(packed):
        size = int.from_bytes(packed[at : at + 4], "little")
        at += 4
        if size == 0x184C2102:  # another frame begins
            continue
        if size == 0 or at + size > len(packed):
            break
        try:
            part = lz4.block.decompress(packed[at : at + size], uncompressed_size=_LZ4_BLOCK_BYTES)
        except lz4.block.LZ4BlockError as error:
            raise InitramfsError(f"byte {at}: cannot be unpacked: {error}") from error
        parts.append(part)
        total += len(part)
        if total > MAX_UNPACKED_BYTES:
            raise InitramfsError("it is larger than any initramfs")
        at += size
    return b"".join(parts)
