"""An archive that the kernel takes as its initramfs."""

from __future__ import annotations

import stat

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
