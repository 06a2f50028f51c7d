"""Where the bytes of an image come from."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from harness.errors import UsageError


class ImageSource(Protocol):
    """Bytes that can be read at any offset. ``bytes_read`` counts what was asked of it so far."""

    location: str
    size_bytes: int
    bytes_read: int

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer, or none, only at the end."""
        ...


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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer, or none, only at the end of the file."""
        parts = []
        while length > 0:
            part = os.pread(self._descriptor, length, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
            self.bytes_read += len(part)
        return b"".join(parts)
