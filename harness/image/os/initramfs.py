"""An initramfs: concatenated cpio archives, compressed or not, read for names and small files.

After the kernel's driver-api/early-userspace/buffer-format.rst. Each archive has its own
compression: usually an uncompressed one with microcode comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.errors import FormatError
from harness.image.fs.newc import HEADER_BYTES, TRAILER, begins_archive, read_header
from harness.image.os.packing import PackingError, UnpackedStream

_KEPT_FILE_BYTES = 256 << 10
_MAX_NAME_BYTES = 4096  # Linux, init/initramfs.c: PATH_MAX
_PIECE_BYTES = 1 << 20


class InitramfsError(FormatError):
    """An unreadable initramfs; ``str()`` says where and why."""


@dataclass(frozen=True, slots=True)
class Initramfs:
    """An initramfs: all paths as ``names``, without a leading slash, and small ``files``."""

    names: frozenset[str]
    files: dict[str, bytes]


def read_initramfs(content: bytes) -> Initramfs:
    """Read the names and small files of an initramfs. Raises InitramfsError for a damaged one.

    It is unpacked in pieces: memory holds no more of it than the largest file that is kept.
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


def _is_kept(name: str) -> bool:
    return "modprobe.d/" in name or name.endswith(("modules.builtin", "conf/modules"))


_Entry = tuple[str, bytes | None]
"""A name, and the content where it is kept."""


class _ByteStream:
    """A stream of bytes that is read from the front."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._buffer = b""
        self._start = 0
        self.at = 0

    def peek(self, length: int) -> bytes:
        """The next ``length`` bytes, fewer at the end, without consuming them."""
        while len(self._buffer) - self._start < length:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._buffer = self._buffer[self._start :] + piece
            self._start = 0
        return self._buffer[self._start : self._start + length]

    def skip(self, length: int) -> bool:
        """Skip ``length`` bytes; tell whether there were that many."""
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
        """Consume and return the next ``length`` bytes, fewer at the end."""
        data = self.peek(length)
        self.skip(len(data))
        return data

    def rest(self) -> bytes:
        """Consume and return all remaining bytes."""
        return b"".join([self.read(len(self._buffer) - self._start), *self._pieces])


def _entries(content: memoryview, depth: int) -> Iterator[_Entry]:
    """Yield the entries of all archives in order, with any compression."""
    if depth > 3:
        raise InitramfsError("archives are packed in archives without an end")
    while content:
        plain = _ByteStream(
            content[at : at + _PIECE_BYTES].tobytes() for at in _piece_starts(content)
        )
        yield from _archives(plain)
        content = content[plain.at :]
        if not content:
            return
        try:
            unpacking = UnpackedStream(content)
            packed = _ByteStream(unpacking)
            yield from _archives(packed)
            inner = packed.rest()
        except PackingError as error:
            raise InitramfsError(f"byte {plain.at}: {error}") from error
        yield from _entries(memoryview(inner), depth + 1)
        content = unpacking.rest


def _piece_starts(content: memoryview) -> range:
    return range(0, len(content), _PIECE_BYTES)


def _archives(stream: _ByteStream) -> Iterator[_Entry]:
    """Yield the entries of the uncompressed archives at the front of ``stream``; skip zeros."""
    while head := stream.peek(6):
        if head[0] == 0:
            zeros = stream.peek(_PIECE_BYTES)
            stream.skip(len(zeros) - len(zeros.lstrip(b"\0")))
        elif begins_archive(head):
            yield from _cpio(stream)
        else:
            return


def _cpio(stream: _ByteStream) -> Iterator[_Entry]:
    """Yield the entries of one newc archive, up to its trailer."""
    while True:
        at = stream.at
        head = stream.read(HEADER_BYTES)
        if len(head) < HEADER_BYTES or not begins_archive(head):
            raise InitramfsError(f"byte {at}: the archive breaks off")
        try:
            header = read_header(head)
        except ValueError as error:
            raise InitramfsError(f"byte {at}: no header of an archive") from error
        if header.name_bytes > _MAX_NAME_BYTES:
            raise InitramfsError(f"byte {at}: a name of {header.name_bytes} bytes")
        name = stream.read(header.name_bytes).rstrip(b"\0").decode("utf-8", "replace")
        stream.skip(header.name_padding_bytes)
        size = header.size_bytes
        kept = _is_kept(name) and size <= _KEPT_FILE_BYTES
        data = stream.read(size) if kept else None
        whole = len(data) == size if data is not None else stream.skip(size)
        if not whole:
            raise InitramfsError(f"byte {at}: {name!r} is cut off")
        stream.skip(header.padding_bytes)
        if name == TRAILER:
            return
        yield name.lstrip("./").lstrip("/") or ".", data
