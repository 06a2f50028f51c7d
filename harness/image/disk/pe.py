"""What an EFI program is for, and whether it is signed (Microsoft PE Format).

Its sections "Machine Types", "Optional Header" and "The Attribute Certificate Table".
"""

from __future__ import annotations

from harness.image.source import ImageSource

_MACHINES = {
    0x014C: "i386",
    0x8664: "x86-64",
    0x01C0: "arm",
    0x01C2: "arm",
    0x01C4: "arm",
    0xAA64: "arm64",
    0x5032: "riscv32",
    0x5064: "riscv64",
    0x6232: "loongarch32",
    0x6264: "loongarch64",
}

# Behind the signature and the COFF header, the optional header; by its magic number (PE32, PE32+),
# where the count of data directories is, counted from the signature. The directories follow it.
_OPTIONAL_AT = 24
_ENTRIES_AT = {0x10B: _OPTIONAL_AT + 92, 0x20B: _OPTIONAL_AT + 108}
_CERTIFICATE_TABLE, _ROW_BYTES = 4, 8


def pe_architecture(source: ImageSource) -> str | None:
    """``x86-64``, ``arm64``, ``i386`` and so on; None for what is no PE program."""
    header = _header(source, 6)
    if header is None:
        return None
    machine = int.from_bytes(header[4:6], "little")
    return _MACHINES.get(machine, f"machine {machine:#06x}")


def pe_is_signed(source: ImageSource) -> bool | None:
    """Whether a signature of anybody is in a PE program; None for what is no PE program.

    Who signed it, and whether the signature is right, is not looked at.
    """
    header = _header(source, _OPTIONAL_AT + 2)
    if header is None:
        return None
    entries_at = _ENTRIES_AT.get(int.from_bytes(header[_OPTIONAL_AT:], "little"))
    if entries_at is None:
        return None
    row_at = entries_at + 4 + _CERTIFICATE_TABLE * _ROW_BYTES
    header = _header(source, row_at + _ROW_BYTES) or b""
    entries = int.from_bytes(header[entries_at : entries_at + 4], "little")
    size_bytes = int.from_bytes(header[row_at + 4 : row_at + 8], "little")
    return entries > _CERTIFICATE_TABLE and size_bytes > 0


def _header(source: ImageSource, length: int) -> bytes | None:
    """So many bytes from the signature of PE on; None where there is none, or not so many."""
    head = source.read_at(0, 64)
    if len(head) < 64 or not head.startswith(b"MZ"):
        return None
    header = source.read_at(int.from_bytes(head[60:64], "little"), length)
    if len(header) < length or not header.startswith(b"PE\0\0"):
        return None
    return header
