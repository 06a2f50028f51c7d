"""Where the bytes of an image come from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, Self

from harness.errors import CaughtError, ReadFailedError, UsageError

UNKNOWN_SIZE_BYTES = 1 << 62
"""The size of a source that does not say it: larger than whatever an image may claim."""


class OutOfReachError(CaughtError):
    """The bytes are there, and cannot be had from here: a server that gives no ranges, say."""


class ImageSource(Protocol):
    """Bytes that can be read at any offset."""

    location: str
    size_bytes: int

    @property
    def bytes_read(self) -> int:
        """How much was fetched so far."""

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer, or none, only at the end.

        Raises OutOfReachError for bytes that exist and cannot be fetched.
        """
        ...


class Window:
    """A part of another source, as a source of its own: a partition, a file of a disc."""

    def __init__(self, source: ImageSource, offset: int, size_bytes: int) -> None:
        self.location = source.location
        self._source = source
        self._offset = offset
        self.size_bytes = max(0, min(size_bytes, source.size_bytes - offset))

    @property
    def bytes_read(self) -> int:
        """What the source underneath has fetched."""
        return self._source.bytes_read

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer, or none, only at the window's end."""
        length = min(length, self.size_bytes - offset)
        return self._source.read_at(self._offset + offset, length) if length > 0 else b""


class Pieces:
    """Parts of another source, one after the other, as a source of its own: a file in extents.

    ``extents`` are offsets and sizes in bytes. It ends where a part is not wholly in the source.
    """

    def __init__(self, source: ImageSource, extents: Iterable[tuple[int, int]]) -> None:
        self.location = source.location
        self._source = source
        self._parts: list[Window] = []
        for offset, size_bytes in extents:
            self._parts.append(Window(source, offset, size_bytes))
            if self._parts[-1].size_bytes < size_bytes:
                break
        self.size_bytes = sum(part.size_bytes for part in self._parts)

    @property
    def bytes_read(self) -> int:
        """What the source underneath has fetched."""
        return self._source.bytes_read

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer, or none, only at the end of the last part."""
        found = []
        for part in self._parts:
            if length <= 0:
                break
            if offset < part.size_bytes:
                found.append(part.read_at(offset, length))
                length -= min(length, part.size_bytes - offset)
            offset = max(0, offset - part.size_bytes)
        return b"".join(found)


class Memory:
    """Bytes in memory as a source."""

    def __init__(self, content: bytes, location: str = "memory") -> None:
        self.location = location
        self.size_bytes = len(content)
        self.bytes_read = 0
        self._content = content

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer, or none, only at the end."""
        return self._content[offset : offset + length]


_LARGEST_READ_BYTES = 16 << 20

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


class LocalFile:
    """A regular file of this host, open for reading.

    Raises UsageError for whatever is not one: one sentence that says what it is.
    """

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self.bytes_read = 0
        try:
            # Not blocking: a pipe that nobody writes to must not hold us.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise UsageError(f"{str(path)!r}: is no name of a file: {error}.") from error
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._descriptor)
            kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "no file")
            raise UsageError(f"{path}: is {kind}; name the image file itself.")
        self.size_bytes = status.st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer, or none, only at the end of the file."""
        parts = []
        while length > 0:
            part = self._read_part(offset, length)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
            self.bytes_read += len(part)
        return b"".join(parts)

    def _read_part(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._descriptor, min(length, _LARGEST_READ_BYTES), offset)
        except (OSError, OverflowError) as error:
            what = error.strerror if isinstance(error, OSError) else str(error)
            raise ReadFailedError(
                f"{self.location}: byte {offset} cannot be read: {what}."
            ) from error
