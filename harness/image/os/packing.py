"""The compression formats of kernels and their initramfs."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import lz4.block

from harness.errors import FormatError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_UNPACKED_BYTES = 512 << 20
_LZ4_BLOCK_BYTES = 8 << 20
_STEP_BYTES = 1 << 20
_LZ4_LEGACY = b"\x02\x21\x4c\x18"

# The magic of each compression format, and its decompressor (Linux, lib/decompress.c).
_DECOMPRESSORS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
    (b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    (b"\x5d\0\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\x28\xb5\x2f\xfd", zstd.ZstdDecompressor),
)


class PackingError(FormatError):
    """A damaged compressed stream; ``str()`` says why it cannot be unpacked."""


class UnknownPackingError(PackingError):
    """An unknown compression format, or none."""


class UnpackedStream:
    """The content of a compressed stream, unpacked in pieces by iteration; at most 512 MiB.

    ``rest`` is the data after the stream, set at the end. Iterating raises PackingError for a
    damaged stream; the constructor raises UnknownPackingError for an unknown format.
    """

    def __init__(self, packed: memoryview) -> None:
        self.rest: memoryview = packed[:0]
        head = bytes(packed[:8])
        found = (make for magic, make in _DECOMPRESSORS if head.startswith(magic))
        self._decompressor = next((make() for make in found), None)
        if self._decompressor is None and not head.startswith(_LZ4_LEGACY):
            raise UnknownPackingError(f"packed in an unknown way ({head[:4].hex(' ')})")
        self._packed = packed

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._lz4_legacy() if self._decompressor is None else self._stream()
        unpacked_bytes = 0
        while piece := self._next(pieces):
            yield piece
            unpacked_bytes += len(piece)
            if unpacked_bytes > MAX_UNPACKED_BYTES:
                raise PackingError("is larger than any initramfs")

    def _next(self, pieces: Iterator[bytes]) -> bytes:
        """The next piece that is not empty; b"" at the end."""
        try:
            return next((piece for piece in pieces if piece), b"")
        except PackingError:
            raise
        except (
            zlib.error,
            lzma.LZMAError,
            zstd.ZstdError,
            lz4.block.LZ4BlockError,
            OSError,
            EOFError,
            ValueError,
        ) as error:
            why = str(error) or type(error).__name__
            raise PackingError(f"cannot be unpacked: {why}") from error

    def _stream(self) -> Iterator[bytes]:
        decompressor: Any = self._decompressor
        at, data = 0, b""
        while not decompressor.eof:
            if not data and getattr(decompressor, "needs_input", True):
                data = bytes(self._packed[at : at + _STEP_BYTES])
                at += len(data)
            at_end = not data and at >= len(self._packed)
            piece = decompressor.decompress(data, _STEP_BYTES)
            # Only zlib returns unconsumed input; the others keep it themselves.
            data = getattr(decompressor, "unconsumed_tail", b"")
            if at_end and not piece and not decompressor.eof:
                raise PackingError("breaks off")
            yield piece
        self.rest = self._packed[at - len(decompressor.unused_data) :]

    def _lz4_legacy(self) -> Iterator[bytes]:
        """Unpack a legacy frame of lz4 (LZ4 Frame Format 1.6, "Legacy frame"), as the kernel does.

        The frame has no end mark: it ends before the first invalid block.
        """
        packed, at = self._packed, 4
        while at + 4 <= len(packed):
            size = int.from_bytes(packed[at : at + 4], "little")
            if packed[at : at + 4] == _LZ4_LEGACY:  # another frame begins
                at += 4
                continue
            if size == 0 or at + 4 + size > len(packed):
                break
            block = packed[at + 4 : at + 4 + size]
            yield lz4.block.decompress(block, uncompressed_size=_LZ4_BLOCK_BYTES)
            at += 4 + size
        self.rest = packed[at:]
