"""The sources of bytes of an image: files, parts of other sources, memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, Self

from harness.errors import CaughtError, ReadFailedError, UsageError

UNKNOWN_SIZE_BYTES = 1 << 62
"""The size of a source that does not state it: larger than any size that an image may claim."""


class OutOfReachError(CaughtError):
    """Bytes that exist and cannot be fetched, such as from a server without range requests."""


class ImageSource(Protocol):
    """Bytes that can be read at any offset."""

    location: str
    size_bytes: int

    @property
    def bytes_read(self) -> int:
        """The bytes fetched so far."""

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer, or none, only at the end.

        Raises OutOfReachError for bytes that exist and cannot be fetched.
        """
        ...


class Window:
    """A part of another source as a source: a partition, a file on an ISO."""

    def __init__(self, source: ImageSource, offset: int, size_bytes: int) -> None:
        self.location = source.location
        self._source = source
        self._offset = offset
        self.size_bytes = max(0, min(size_bytes, source.size_bytes - offset))

    @property
    def bytes_read(self) -> int:
        """The bytes fetched by the underlying source."""
        return self._source.bytes_read

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer, or none, only at the window's end."""
        length = min(length, self.size_bytes - offset)
        return self._source.read_at(self._offset + offset, length) if length > 0 else b""


class Pieces:
    """The extents of a file in another source, concatenated as a source.

    ``extents`` are offsets and sizes in bytes. It ends at the first part that is incomplete.
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
        """The bytes fetched by the underlying source."""
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

    Raises UsageError for anything else, with a sentence that says what it is.
    """

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self.bytes_read = 0
        try:
            # Non-blocking: opening a pipe without a writer would wait.
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
