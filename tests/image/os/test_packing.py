"""Compressed streams unpacked in pieces: sound, damaged, truncated, and with data after them."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from harness.image.os.packing import PackingError, UnknownPackingError, UnpackedStream
from tests.image.kernels import CONTENT, PACKINGS

# Enough for many pieces of the decompressors, with varied content.
LARGE = random.Random(3).randbytes(1 << 15) * 40


def unpacked(packed: bytes) -> tuple[bytes, bytes]:
    """Return the content, and the data after the stream."""
    unpacking = UnpackedStream(memoryview(packed))
    content = b"".join(unpacking)
    return content, bytes(unpacking.rest)


@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("name", PACKINGS)
def test_every_compression_format_is_unpacked(name: str, content: bytes) -> None:
    assert unpacked(PACKINGS[name](content)) == (content, b"")


@pytest.mark.parametrize("name", [name for name in PACKINGS if name != "lz4"])
def test_data_after_a_stream_is_the_rest(name: str) -> None:
    assert unpacked(PACKINGS[name](CONTENT) + b"070701 and more") == (CONTENT, b"070701 and more")


@pytest.mark.parametrize("name", [name for name in PACKINGS if name != "lz4"])
def test_a_truncated_stream_raises_packing_error(name: str) -> None:
    with pytest.raises(PackingError):
        unpacked(PACKINGS[name](LARGE)[:-100])


@pytest.mark.parametrize("name", PACKINGS)
def test_a_damaged_stream_raises_packing_error(name: str) -> None:
    dice = random.Random(5)
    whole = PACKINGS[name](LARGE)
    for _ in range(20):
        damaged = bytearray(whole)
        for _ in range(20):
            damaged[dice.randrange(10, len(damaged))] = dice.randrange(256)
        # Some damage is undetected: lzma has no checksum.
        with suppress(PackingError):
            unpacked(bytes(damaged))


@pytest.mark.parametrize("content", [b"", b"\x1f", b"070701", bytes(100)])
def test_uncompressed_data_raises_unknown_packing_error(content: bytes) -> None:
    with pytest.raises(UnknownPackingError):
        UnpackedStream(memoryview(content))
