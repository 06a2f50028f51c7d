"""The headers of EFI programs, signed or not."""

from __future__ import annotations

import struct


def signable_program(*, signed: bool, wide: bool = True, entries: int = 16) -> bytes:
    """The headers of a program for x86-64 (PE Format, "Optional Header")."""
    stub = b"MZ".ljust(60, b"\0") + struct.pack("<I", 128)
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    standard = struct.pack("<H", 0x20B if wide else 0x10B).ljust(108 if wide else 92, b"\0")
    rows = [struct.pack("<II", 4096, 1472) if at == 4 and signed else bytes(8) for at in range(16)]
    optional = standard + struct.pack("<I", entries) + b"".join(rows)
    return stub.ljust(128, b"\0") + b"PE\0\0" + coff + optional + bytes(512)
