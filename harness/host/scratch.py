"""The folder of what a run needs only while it runs: sockets, the overlay, the seed.

It is removed at the end whatever happens. Should the program be killed without a chance to do
so, the lock that it held is gone with it, and the next run removes the folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import NoSpaceError, UsageError

_PREFIX = "harness-"
_LOCK = "lock"
# An address of a socket has 108 bytes with its end (unix(7)); "/harness-12345678/receiver.sock" is
# the longest that is made below.
_MAX_ROOT_BYTES = 107 - 31
# What an overlay of a boot to the network needs at least; a Debian writes about 100 MB.
MIN_FREE_BYTES = 1 << 30


def scratch_root() -> Path:
    """Where scratch folders are made: ``$TMPDIR``, else ``/var/tmp`` (on disk, unlike ``/tmp``)."""
    return Path(os.environ.get("TMPDIR") or "/var/tmp")  # noqa: S108  mkdtemp makes it safe


@contextmanager
def scratch_folder(*, sockets: bool = False) -> Iterator[Path]:
    """A new private folder, gone when the block is left; with room for sockets of a machine.

    Raises HostError (``host.no-space``) where there is no room for one, UsageError where sockets
    are wanted and its path would be too long for them.
    """
    root = scratch_root()
    if sockets and len(os.fsencode(root.absolute())) > _MAX_ROOT_BYTES:
        raise UsageError(
            f"TMPDIR={root}: is too long: the sockets of a machine leave it {_MAX_ROOT_BYTES} "
            "bytes. Set it to a shorter path."
        )
    _sweep(root)
    try:
        free_bytes = shutil.disk_usage(root).free
        if free_bytes < MIN_FREE_BYTES:
            raise NoSpaceError(
                f"{root}: {free_bytes >> 20} MiB are free, a run wants {MIN_FREE_BYTES >> 20} MiB.",
                "Free some space, or set TMPDIR to a folder on a larger disk.",
            )
        folder, lock = _locked_folder(root)
    except OSError as error:
        raise NoSpaceError(
            f"{root}: no folder can be made there: {error.strerror}.",
            "Set TMPDIR to a folder that can be written.",
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(root: Path) -> tuple[Path, int]:
    """A new folder and the descriptor of the lock that we hold in it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another run may have swept it away between the last two lines.
        if (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)


def _sweep(root: Path) -> None:
    """Remove what runs that were killed have left: folders of ours that nobody locks."""
    for folder in root.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
