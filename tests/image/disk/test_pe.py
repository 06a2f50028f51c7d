"""The facts of an EFI program."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.image.disk.pe import pe_architecture, pe_is_signed
from harness.image.source import Memory
from tests.image.efi_programs import signable_program


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("signed", [True, False])
def test_a_certificate_table_is_a_signature(signed: bool, wide: bool) -> None:
    program = Memory(signable_program(signed=signed, wide=wide))
    assert pe_is_signed(program) is signed
    assert pe_architecture(program) == "x86-64"


def test_a_program_with_few_directories_is_not_signed() -> None:
    assert pe_is_signed(Memory(signable_program(signed=True, entries=4))) is False


@pytest.mark.parametrize("content", [b"", b"MZ", b"MZ" + bytes(500), bytes(1000)])
def test_other_files_have_no_architecture_and_no_signature(content: bytes) -> None:
    assert pe_is_signed(Memory(content)) is None


def test_a_truncated_program_is_not_signed() -> None:
    whole = signable_program(signed=True)
    assert not any(pe_is_signed(Memory(whole[:length])) for length in range(0, 290, 7))


def test_a_real_loader_is_read() -> None:
    """The loader of the package grub-efi-amd64-bin, which another package signs."""
    loader = Path("/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi")
    assert pe_is_signed(Memory(loader.read_bytes())) is False
