"""An initramfs: concatenated cpio archives, packed or not, read for names and small files.

After the kernel's driver-api/early-userspace/buffer-format.rst. Each archive may be packed in its
own way: microcode comes first and plain, the rest after it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from harness.image.packing import PackingError, unpack

_KEPT_FILE_BYTES = 256 << 10
_HEADER_BYTES = 110


class InitramfsError(ValueError):
    """It cannot be read; ``str()`` says where and why."""


@dataclass(frozen=True, slots=True)
class Initramfs:
    """``names`` are all paths in it, without a leading slash; ``files`` are configuration."""

    names: frozenset[str]
    files: dict[str, bytes]


def read_initramfs(content: bytes) -> Initramfs:
    """The names and small files of an initramfs. Raises InitramfsError for a damaged one."""
    names: set[str] = set()
    files: dict[str, bytes] = {}
    for name, data in _entries(content, 0):
        names.add(name)
        if _is_wanted(name) and len(data) <= _KEPT_FILE_BYTES:
            files[name] = bytes(data)
    if not names:
        raise InitramfsError("no archive is in it")
    return Initramfs(frozenset(names), files)


def _is_wanted(name: str) -> bool:
    return "modprobe.d/" in name or name.endswith(("modules.builtin", "conf/modules"))


def _entries(content: bytes, depth: int) -> Iterator[tuple[str, memoryview]]:
    """The entries of all archives, one after the other."""
    if depth > 3:
        raise InitramfsError("archives are packed in archives without an end")
    view = memoryview(content)
    at = 0
    while at < len(view):
        if view[at] == 0:
            at += 1 if at % 4 or len(view) - at < 4 else _zeros(view, at)
        elif bytes(view[at : at + 6]) in (b"070701", b"070702"):
            at = yield from _cpio(view, at)
        else:
            try:
                unpacked, rest = unpack(bytes(view[at:]))
            except PackingError as error:
                raise InitramfsError(f"byte {at}: {error}") from error
            yield from _entries(unpacked, depth + 1)
            if not rest:
                return
            at = len(view) - len(rest)


def _zeros(view: memoryview, at: int) -> int:
    """How many zero bytes follow, four at a time: padding between archives."""
    end = at
    while end < len(view) and bytes(view[end : end + 4]) == b"\0\0\0\0":
        end += 4
    return max(end - at, 1)


def _cpio(view: memoryview, at: int) -> Generator[tuple[str, memoryview], None, int]:
    """One newc archive; what it returns is the offset after its trailer."""
    while True:
        header = bytes(view[at : at + _HEADER_BYTES])
        if len(header) < _HEADER_BYTES or header[:6] not in (b"070701", b"070702"):
            raise InitramfsError(f"byte {at}: the archive breaks off")
        try:
            size = int(header[54:62], 16)
            name_bytes = int(header[94:102], 16)
        except ValueError as error:
            raise InitramfsError(f"byte {at}: no header of an archive") from error
        start = at + _HEADER_BYTES
        name = bytes(view[start : start + name_bytes]).rstrip(b"\0").decode("utf-8", "replace")
        data = _aligned(start + name_bytes)
        if data + size > len(view):
            raise InitramfsError(f"byte {at}: {name!r} is cut off")
        at = _aligned(data + size)
        if name == "TRAILER!!!":
            return at
        yield name.lstrip("./").lstrip("/") or ".", view[data : data + size]


def _aligned(offset: int) -> int:
    return (offset + 3) & ~3
