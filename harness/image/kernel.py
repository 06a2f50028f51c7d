"""A Linux kernel's file: for which processor, and of which version."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass

from harness.image.pe import pe_architecture
from harness.image.source import Memory

# ELF e_machine (System V ABI; Linux include/uapi/linux/elf-em.h).
_ELF_MACHINES = {
    3: "i386",
    62: "x86-64",
    183: "arm64",
    40: "arm",
    243: "riscv64",
    21: "ppc64",
    22: "s390x",
}
HEAD_BYTES = 128 << 10


@dataclass(frozen=True, slots=True)
class Kernel:
    """``architecture`` is "" where it is not known; ``version`` is "" where the file hides it."""

    architecture: str
    version: str


def read_kernel(head: bytes) -> Kernel:
    """What the first ``HEAD_BYTES`` of a kernel say (Linux Documentation/arch/x86/boot.rst)."""
    if head[0x202:0x206] == b"HdrS":
        return Kernel(_x86_architecture(head), _x86_version(head))
    if head.startswith(b"\x1f\x8b"):
        head = _unzipped(head)
    if head[56:60] == b"ARM\x64":  # Documentation/arch/arm64/booting.rst
        return Kernel("arm64", "")
    if head.startswith(b"\x7fELF"):
        return Kernel(elf_architecture(head), "")
    return Kernel(pe_architecture(Memory(head)) or "", "")


def elf_architecture(head: bytes) -> str:
    """The processor that an ELF program is for; "" for what is none."""
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        return ""
    order = ">" if head[5] == 2 else "<"
    (machine,) = struct.unpack_from(order + "H", head, 18)
    return _ELF_MACHINES.get(machine, f"machine {machine}")


def _x86_architecture(head: bytes) -> str:
    """Boot protocol 2.12 says whether the kernel has a 64-bit entry point (xloadflags, bit 0)."""
    (protocol,) = struct.unpack_from("<H", head, 0x206)
    if protocol >= 0x020C:
        return "x86-64" if head[0x236] & 1 else "i386"
    return ""


def _x86_version(head: bytes) -> str:
    (offset,) = struct.unpack_from("<H", head, 0x20E)
    if not offset:
        return ""
    text = head[offset + 0x200 : offset + 0x300].split(b"\0")[0]
    return text.decode("ascii", errors="replace").split(" ")[0]


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except (zlib.error, gzip.BadGzipFile):
        return b""
