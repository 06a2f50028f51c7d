"""The file of a Linux kernel: its processor, its version, and faults of its payload."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass

from harness.image.disk.pe import pe_architecture
from harness.image.os.packing import PackingError, UnknownPackingError, UnpackedStream
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
    """A kernel. ``architecture`` is "" where unknown; ``version`` "" where the file has none."""

    architecture: str
    version: str


def read_kernel(head: bytes) -> Kernel:
    """Parse the first ``HEAD_BYTES`` of a kernel (Linux Documentation/arch/x86/boot.rst)."""
    if head[0x202:0x206] == b"HdrS":
        return Kernel(_x86_architecture(head), _x86_version(head))
    if head.startswith(b"\x1f\x8b"):
        head = _unzipped(head)
    if head[56:60] == b"ARM\x64":  # Documentation/arch/arm64/booting.rst
        return Kernel("arm64", "")
    if head.startswith(b"\x7fELF"):
        return Kernel(elf_architecture(head), "")
    return Kernel(pe_architecture(Memory(head)) or "", "")


def payload_fault(kernel: bytes) -> str:
    """The reason why a bzImage could not decompress itself; "" where it could, or is unknown.

    Linux Documentation/arch/x86/boot.rst: ``payload_offset`` and ``payload_length`` since boot
    protocol 2.08, counted from the protected-mode code behind the setup sectors; the last four
    bytes of the payload are its size unpacked.
    """
    if kernel[0x202:0x206] != b"HdrS" or struct.unpack_from("<H", kernel, 0x206)[0] < 0x0208:
        return ""
    offset, length = struct.unpack_from("<II", kernel, 0x248)
    start = ((kernel[0x1F1] or 4) + 1) * 512 + offset
    if length < 8:
        return ""
    if start + length > len(kernel):
        return f"the file ends at byte {len(kernel)}, and what is in it at byte {start + length}"
    payload = memoryview(kernel)[start : start + length]
    try:
        unpacked_bytes = sum(map(len, UnpackedStream(payload)))
    except UnknownPackingError:
        return ""
    except PackingError as error:
        return f"what begins at byte {start} {error}"
    (expected,) = struct.unpack("<I", payload[-4:])
    if unpacked_bytes != expected:
        return (
            f"what begins at byte {start} holds {unpacked_bytes} bytes and should hold {expected}"
        )
    return ""


def elf_architecture(head: bytes) -> str:
    """The processor of an ELF program; "" for other files."""
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        return ""
    order = ">" if head[5] == 2 else "<"
    (machine,) = struct.unpack_from(order + "H", head, 18)
    return _ELF_MACHINES.get(machine, f"machine {machine}")


def _x86_architecture(head: bytes) -> str:
    """The processor of an x86 kernel, by its 64-bit entry point (protocol 2.12, xloadflags)."""
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
