"""The processor that an EFI program is for (Microsoft PE/COFF specification, "Machine Types")."""

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


def pe_architecture(source: ImageSource) -> str | None:
    """``x86-64``, ``arm64``, ``i386`` and so on; None for what is no PE program."""
    head = source.read_at(0, 64)
    if len(head) < 64 or not head.startswith(b"MZ"):
        return None
    header = source.read_at(int.from_bytes(head[60:64], "little"), 6)
    if len(header) < 6 or not header.startswith(b"PE\0\0"):
        return None
    machine = int.from_bytes(header[4:6], "little")
    return _MACHINES.get(machine, f"machine {machine:#06x}")
