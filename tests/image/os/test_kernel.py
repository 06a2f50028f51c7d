"""The payload of a kernel: real compression formats around invented content."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest

from harness.image.os.kernel import payload_fault, read_kernel
from tests.image.kernels import CONTENT, PACKINGS, bz_image

if sys.version_info >= (3, 14):
    pass
else:
    pass


@pytest.mark.parametrize("name", PACKINGS)
def test_a_sound_kernel_has_no_fault(name: str) -> None:
    assert payload_fault(bz_image(PACKINGS[name](CONTENT))) == ""


@pytest.mark.parametrize("name", PACKINGS)
def test_a_truncated_kernel_has_a_fault(name: str) -> None:
    whole = bz_image(PACKINGS[name](CONTENT))
    assert "the file ends at byte" in payload_fault(whole[:-40])


@pytest.mark.parametrize("name", PACKINGS)
def test_a_damaged_payload_has_a_fault(name: str) -> None:
    packed = bytearray(PACKINGS[name](CONTENT))
    half = len(packed) // 2
    packed[half : half + 200] = bytes(len(packed[half : half + 200]))
    assert payload_fault(bz_image(bytes(packed)))


def test_a_wrong_unpacked_size_has_a_fault() -> None:
    assert "should hold 7" in payload_fault(bz_image(gzip.compress(CONTENT), 7))


@pytest.mark.parametrize("content", [b"", b"HdrS" * 500, bytes(4096), b"\xff" * 4096])
def test_other_files_have_no_fault(content: bytes) -> None:
    assert payload_fault(content) == ""


def test_a_real_kernel_has_no_fault() -> None:
    kernels = sorted(Path("/usr/lib/debian-installer").rglob("linux"))
    if not kernels:
        pytest.skip("no kernel of debian-installer-12-netboot-amd64 on this host")
    content = kernels[0].read_bytes()
    assert read_kernel(content).architecture == "x86-64"
    assert payload_fault(content) == ""
