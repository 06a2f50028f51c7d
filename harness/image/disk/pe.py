"""The processor of an EFI program, and whether it is signed.

After Microsoft's PE Format: "Machine Types", "Optional Header", "The Attribute Certificate Table".
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

# The optional header follows the signature and the COFF header. For its magic number (PE32, PE32+):
# the offset from the signature of the number of data directories, which follow it.
_OPTIONAL_AT = 24
_ENTRIES_AT = {0x10B: _OPTIONAL_AT + 92, 0x20B: _OPTIONAL_AT + 108}
_CERTIFICATE_TABLE, _ROW_BYTES = 4, 8


def pe_architecture(source: ImageSource) -> str | None:
    """The processor of a PE program: ``x86-64``, ``arm64``…; None for other files."""
    header = _header(source, 6)
    if header is None:
        return None
    machine = int.from_bytes(header[4:6], "little")
    return _MACHINES.get(machine, f"machine {machine:#06x}")


def pe_is_signed(source: ImageSource) -> bool | None:
    """Tell whether a PE program has a signature; None for other files.

    The signature is not verified.
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
    """Return ``length`` bytes from the PE signature on; None without it, or with fewer bytes."""
    head = source.read_at(0, 64)
    if len(head) < 64 or not head.startswith(b"MZ"):
        return None
    header = source.read_at(int.from_bytes(head[60:64], "little"), length)
    if len(header) < length or not header.startswith(b"PE\0\0"):
        return None
    return header
