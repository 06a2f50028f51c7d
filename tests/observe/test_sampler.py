"""What QEMU's ``info registers`` tells; its lines as QEMU 7.2 prints them."""

import pytest

from harness.observe.sampler import read_cpu_mode, read_interrupt_table

_BIOS = "IDT=     00000000 000003ff\nCR0=00000010 CR2=00000000\nEFER=0000000000000000"
_UEFI = "IDT=     000000007f2ee018 00000fff\nCR0=80010033 CR2=0\nEFER=0000000000000d00"
_LINUX = "IDT=     fffffe0000000000 00000fff\nCR0=80050033 CR2=0\nEFER=0000000000000d01"


@pytest.mark.parametrize(
    ("registers", "mode", "table"),
    [
        (_BIOS, "real", "low"),
        (_UEFI, "long", "low"),
        (_LINUX, "long", "high"),
        ("", "real", "low"),
    ],
)
def test_the_processor_mode_and_the_interrupt_table_are_read(
    registers: str, mode: str, table: str
) -> None:
    assert (read_cpu_mode(registers), read_interrupt_table(registers)) == (mode, table)
