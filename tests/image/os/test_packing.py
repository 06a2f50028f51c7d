"""Packed streams, unpacked piece by piece: sound, damaged, cut, and with something behind them."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from harness.image.os.packing import PackingError, UnknownPackingError, UnpackedStream
from tests.image.kernels import CONTENT, PACKINGS

# Enough for many pieces of the decompressors, and not all the same.
LARGE = random.Random(3).randbytes(1 << 15) * 40


def unpacked(packed: bytes) -> tuple[bytes, bytes]:
    """The content, and what comes after it."""
    unpacking = UnpackedStream(memoryview(packed))
    content = b"".join(unpacking)
    return content, bytes(unpacking.rest)


@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("name", PACKINGS)
def test_what_was_packed_comes_back(name: str, content: bytes) -> None:
    assert unpacked(PACKINGS[name](content)) == (content, b"")


@pytest.mark.parametrize("name", [name for name in PACKINGS if name != "lz4"])
def test_what_comes_after_a_stream_is_left(name: str) -> None:
    assert unpacked(PACKINGS[name](CONTENT) + b"070701 and more") == (CONTENT, b"070701 and more")


@pytest.mark.parametrize("name", [name for name in PACKINGS if name != "lz4"])
def test_a_stream_that_breaks_off(name: str) -> None:
    with pytest.raises(PackingError):
        unpacked(PACKINGS[name](LARGE)[:-100])


@pytest.mark.parametrize("name", PACKINGS)
def test_damage_is_an_error_of_one_kind(name: str) -> None:
    dice = random.Random(5)
    whole = PACKINGS[name](LARGE)
    for _ in range(20):
        damaged = bytearray(whole)
        for _ in range(20):
            damaged[dice.randrange(10, len(damaged))] = dice.randrange(256)
        # Some is not seen: lzma has no checksum.
        with suppress(PackingError):
            unpacked(bytes(damaged))


@pytest.mark.parametrize("content", [b"", b"\x1f", b"070701", bytes(100)])
def test_what_is_not_packed_is_told_apart(content: bytes) -> None:
    with pytest.raises(UnknownPackingError):
        UnpackedStream(memoryview(content))
