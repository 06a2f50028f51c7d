"""What is read of an EFI program."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from harness.image.disk.pe import pe_architecture, pe_is_signed
from harness.image.source import Memory


def signable_program(*, signed: bool, wide: bool = True, entries: int = 16) -> bytes:
    """The headers of a program for x86-64 (PE Format, "Optional Header")."""
    stub = b"MZ".ljust(60, b"\0") + struct.pack("<I", 128)
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    standard = struct.pack("<H", 0x20B if wide else 0x10B).ljust(108 if wide else 92, b"\0")
    rows = [struct.pack("<II", 4096, 1472) if at == 4 and signed else bytes(8) for at in range(16)]
    optional = standard + struct.pack("<I", entries) + b"".join(rows)
    return stub.ljust(128, b"\0") + b"PE\0\0" + coff + optional + bytes(512)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("signed", [True, False])
def test_a_certificate_table_is_a_signature(signed: bool, wide: bool) -> None:
    program = Memory(signable_program(signed=signed, wide=wide))
    assert pe_is_signed(program) is signed
    assert pe_architecture(program) == "x86-64"


def test_a_program_with_few_directories_is_not_signed() -> None:
    assert pe_is_signed(Memory(signable_program(signed=True, entries=4))) is False


@pytest.mark.parametrize("content", [b"", b"MZ", b"MZ" + bytes(500), bytes(1000)])
def test_what_is_no_program_is_neither(content: bytes) -> None:
    assert pe_is_signed(Memory(content)) is None


def test_a_program_that_breaks_off_is_not_called_signed() -> None:
    whole = signable_program(signed=True)
    assert not any(pe_is_signed(Memory(whole[:length])) for length in range(0, 290, 7))


def test_a_loader_of_this_host(tmp_path: Path) -> None:
    systemd_boot = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
    if not systemd_boot.exists():
        pytest.skip("no loader for UEFI is installed on this host")
    assert pe_is_signed(Memory(Path(shutil.copy(systemd_boot, tmp_path)).read_bytes())) is False
