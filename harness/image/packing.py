"""The packings that kernels and their initramfs come in."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Any

import lz4.block

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_UNPACKED_BYTES = 512 << 20
_LZ4_BLOCK_BYTES = 8 << 20
_LZ4_LEGACY = b"\x02\x21\x4c\x18"

# What a stream begins with, and what unpacks it (Linux, lib/decompress.c).
_DECOMPRESSORS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
    (b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    (b"\x5d\0\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\x28\xb5\x2f\xfd", zstd.ZstdDecompressor),
)


class PackingError(ValueError):
    """It cannot be unpacked; ``str()`` says why."""


class UnknownPackingError(PackingError):
    """It is packed in a way that is not known here, or not at all."""


def unpack(packed: bytes) -> tuple[bytes, bytes]:
    """What a packed stream holds, and what comes after it; at most 512 MiB.

    Raises PackingError for a damaged one, UnknownPackingError for what is none.
    """
    try:
        for magic, decompressor in _DECOMPRESSORS:
            if packed.startswith(magic):
                return _stream(decompressor(), packed)
        if packed.startswith(_LZ4_LEGACY):
            return _lz4_legacy(packed)
    except (
        *(zlib.error, lzma.LZMAError, zstd.ZstdError, lz4.block.LZ4BlockError),
        *(OSError, EOFError, ValueError),
    ) as error:
        raise PackingError(f"cannot be unpacked: {str(error) or type(error).__name__}") from error
    raise UnknownPackingError(f"packed in an unknown way ({packed[:4].hex(' ')})")


def _stream(decompressor: Any, packed: bytes) -> tuple[bytes, bytes]:
    unpacked: bytes = decompressor.decompress(packed, MAX_UNPACKED_BYTES)
    if not decompressor.eof:
        raise PackingError("it breaks off, or is larger than any initramfs")
    return unpacked, decompressor.unused_data


def _lz4_legacy(packed: bytes) -> tuple[bytes, bytes]:
    """The legacy frame of lz4 (LZ4 Frame Format 1.6, "Legacy frame"), as the kernel reads it.

    It has no mark at its end: what is no block of it comes after it.
    """
    parts = []
    at, total = 4, 0
    while at + 4 <= len(packed):
        size = int.from_bytes(packed[at : at + 4], "little")
        if packed[at : at + 4] == _LZ4_LEGACY:  # another frame begins
            at += 4
            continue
        if size == 0 or at + 4 + size > len(packed):
            break
        at += 4
        part = lz4.block.decompress(packed[at : at + size], uncompressed_size=_LZ4_BLOCK_BYTES)
        parts.append(part)
        total += len(part)
        if total > MAX_UNPACKED_BYTES:
            raise PackingError("it is larger than any initramfs")
        at += size
    return b"".join(parts), packed[at:]
