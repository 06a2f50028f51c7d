"""An initramfs: concatenated cpio archives, packed or not, read for names and small files.

After the kernel's driver-api/early-userspace/buffer-format.rst. Each archive may be packed in its
own way: microcode comes first and plain, the rest after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.errors import FormatError
from harness.image.fs.newc import HEADER_BYTES, TRAILER, begins_archive, read_header
from harness.image.os.packing import PackingError, Unpacking

_KEPT_FILE_BYTES = 256 << 10
_MAX_NAME_BYTES = 4096  # Linux, init/initramfs.c: PATH_MAX
_PIECE_BYTES = 1 << 20


class InitramfsError(FormatError):
    """It cannot be read; ``str()`` says where and why."""


@dataclass(frozen=True, slots=True)
class Initramfs:
    """``names`` are all paths in it, without a leading slash; ``files`` are configuration."""

    names: frozenset[str]
    files: dict[str, bytes]


def read_initramfs(content: bytes) -> Initramfs:
    """The names and small files of an initramfs. Raises InitramfsError for a damaged one.

    It is unpacked piece by piece: never more of it is in memory than the largest file that is kept.
    """
    names: set[str] = set()
    files: dict[str, bytes] = {}
    for name, data in _entries(memoryview(content), 0):
        names.add(name)
        if data is not None:
            files[name] = data
    if not names:
        raise InitramfsError("no archive is in it")
    return Initramfs(frozenset(names), files)


def _is_wanted(name: str) -> bool:
    return "modprobe.d/" in name or name.endswith(("modules.builtin", "conf/modules"))


_Entry = tuple[str, bytes | None]
"""A name, and its content where it is wanted."""


class _Feed:
    """A stream that is read from its front."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._buffer = b""
        self._start = 0
        self.at = 0

    def peek(self, length: int) -> bytes:
        """The next ``length`` bytes, fewer at the end; they stay."""
        while len(self._buffer) - self._start < length:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._buffer = self._buffer[self._start :] + piece
            self._start = 0
        return self._buffer[self._start : self._start + length]

    def skip(self, length: int) -> bool:
        """Leave ``length`` bytes out; whether there were so many."""
        while length > 0:
            step = len(self.peek(min(length, 1 << 20)))
            if not step:
                return False
            step = min(step, length)
            self._start += step
            self.at += step
            length -= step
        return True

    def read(self, length: int) -> bytes:
        """The next ``length`` bytes, fewer at the end."""
        data = self.peek(length)
        self.skip(len(data))
        return data

    def rest(self) -> bytes:
        """All that is left."""
        return b"".join([self.read(len(self._buffer) - self._start), *self._pieces])


def _entries(content: memoryview, depth: int) -> Iterator[_Entry]:
    """The entries of all archives, one after the other, whatever each is packed in."""
    if depth > 3:
        raise InitramfsError("archives are packed in archives without an end")
    while content:
        plain = _Feed(content[at : at + _PIECE_BYTES].tobytes() for at in _steps(content))
        yield from _archives(plain)
        content = content[plain.at :]
        if not content:
            return
        try:
            unpacking = Unpacking(content)
            packed = _Feed(unpacking)
            yield from _archives(packed)
            inner = packed.rest()
        except PackingError as error:
            raise InitramfsError(f"byte {plain.at}: {error}") from error
        yield from _entries(memoryview(inner), depth + 1)
        content = unpacking.rest


def _steps(content: memoryview) -> range:
    return range(0, len(content), _PIECE_BYTES)


def _archives(feed: _Feed) -> Iterator[_Entry]:
    """The plain archives at the front of ``feed``, and the zeros around them."""
    while head := feed.peek(6):
        if head[0] == 0:
            zeros = feed.peek(_PIECE_BYTES)
            feed.skip(len(zeros) - len(zeros.lstrip(b"\0")))
        elif begins_archive(head):
            yield from _cpio(feed)
        else:
            return


def _cpio(feed: _Feed) -> Iterator[_Entry]:
    """One newc archive, up to its trailer."""
    while True:
        at = feed.at
        head = feed.read(HEADER_BYTES)
        if len(head) < HEADER_BYTES or not begins_archive(head):
            raise InitramfsError(f"byte {at}: the archive breaks off")
        try:
            header = read_header(head)
        except ValueError as error:
            raise InitramfsError(f"byte {at}: no header of an archive") from error
        if header.name_bytes > _MAX_NAME_BYTES:
            raise InitramfsError(f"byte {at}: a name of {header.name_bytes} bytes")
        name = feed.read(header.name_bytes).rstrip(b"\0").decode("utf-8", "replace")
        feed.skip(header.name_padding_bytes)
        size = header.size_bytes
        kept = _is_wanted(name) and size <= _KEPT_FILE_BYTES
        data = feed.read(size) if kept else None
        whole = len(data) == size if data is not None else feed.skip(size)
        if not whole:
            raise InitramfsError(f"byte {at}: {name!r} is cut off")
        feed.skip(header.padding_bytes)
        if name == TRAILER:
            return
        yield name.lstrip("./").lstrip("/") or ".", data
