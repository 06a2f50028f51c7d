"""Archives that the kernel takes as its initramfs: written, and copied without some entries."""

from __future__ import annotations

import gzip
import lzma
import stat
import sys
from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Linux, Documentation/driver-api/early-userspace/buffer-format.rst: the "newc" format. All
# numbers are eight hexadecimal digits; names and contents are padded to four bytes.
_MAGIC = "070701"
_TRAILER = "TRAILER!!!"


def newc(files: dict[str, bytes], folders: tuple[str, ...] = ()) -> bytes:
    """``files`` by path, all of them executable and root's, in ``folders`` and their parents.

    A device node for the console is in it: the kernel opens that before init runs.
    """
    rows = [(path, stat.S_IFDIR | 0o755, b"", (0, 0)) for path in folders]
    rows.append(("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)))
    rows += [(path, stat.S_IFREG | 0o755, content, (0, 0)) for path, content in files.items()]
    archive = b"".join(
        _entry(path, number, mode, content, device)
        for number, (path, mode, content, device) in enumerate(rows, start=1)
    )
    return archive + _entry(_TRAILER, 0, 0, b"", (0, 0))


def _entry(path: str, number: int, mode: int, content: bytes, device: tuple[int, int]) -> bytes:
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
    head = _MAGIC.encode() + b"".join(b"%08x" % field for field in fields) + name
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def without(initramfs: bytes, unwanted: Callable[[str], bool]) -> tuple[bytes, int]:
    """An initramfs less the entries whose path is ``unwanted``, and how many those were.

    Archives before the packed one are kept as they are (microcode, plain); what is packed comes
    back packed with gzip. Raises ValueError where it is no such thing.
    """
    early, packed = _split(initramfs)
    archive = _unpacked(packed)
    kept, at, dropped = [], 0, 0
    while True:
        name, end = _entry_at(archive, at)
        if name == _TRAILER:
            kept.append(archive[at:end])
            break
        if unwanted(name):
            dropped += 1
        else:
            kept.append(archive[at:end])
        at = end
    return early + gzip.compress(b"".join(kept), compresslevel=1, mtime=0), dropped


def _split(initramfs: bytes) -> tuple[bytes, bytes]:
    """The plain archives that an initramfs begins with, padding included, and the rest."""
    at = 0
    while initramfs.startswith(_MAGIC.encode(), at):
        start, name = at, ""
        while name != _TRAILER:
            name, at = _entry_at(initramfs, at)
        while initramfs[at : at + 1] == b"\0":
            at += 1
        if at == len(initramfs):  # nothing is packed: the last one is the one that matters
            return initramfs[:start], initramfs[start:]
    return initramfs[:at], initramfs[at:]


def _unpacked(packed: bytes) -> bytes:
    if packed.startswith(b"\x1f\x8b"):
        return gzip.decompress(packed)
    if packed.startswith(b"\xfd7zXZ\0"):
        return lzma.decompress(packed)
    if packed.startswith(b"\x28\xb5\x2f\xfd"):
        return bytes(zstd.decompress(packed))
    if packed.startswith(_MAGIC.encode()):
        return packed
    raise ValueError(f"an initramfs is packed in an unknown way ({packed[:4].hex(' ')})")


def _entry_at(archive: bytes, at: int) -> tuple[str, int]:
    """The path of the entry at an offset, without "./", and the offset of the next one."""
    if archive[at : at + 6] != _MAGIC.encode():
        raise ValueError(f"byte {at}: no entry of a newc archive")
    size_bytes = int(archive[at + 54 : at + 62], 16)
    name_bytes = int(archive[at + 94 : at + 102], 16)
    name_at = at + 110
    name = archive[name_at : name_at + name_bytes - 1].decode()
    data_at = name_at + name_bytes + -(name_at + name_bytes) % 4
    end = data_at + size_bytes
    return name.removeprefix("./"), end + -end % 4
