"""Linux kernels with invented content."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import subprocess
import sys
from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = bytes(range(256)) * 4000


def bz_image(payload: bytes, size_bytes: int = len(CONTENT)) -> bytes:
    """A bzImage of boot protocol 2.15 with four setup sectors."""
    setup = bytearray(5 * 512)
    setup[0x1F1] = 4
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, 0x020F)
    setup[0x236] = 1
    whole = payload + struct.pack("<I", size_bytes)
    struct.pack_into("<II", setup, 0x248, 16, len(whole))
    return bytes(setup) + bytes(16) + whole


def lz4_legacy(content: bytes) -> bytes:
    words = ["lz4", "-l", "-c", "-"]
    return subprocess.run(words, input=content, capture_output=True, check=True).stdout


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "bzip2": bz2.compress,
    "zstd": zstd.compress,
    "lz4": lz4_legacy,
}
