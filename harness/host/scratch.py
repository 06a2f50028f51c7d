"""The temporary folder of a run: sockets, the overlay, the seed.

It is removed at the end of the run. Where the program was killed, its lock on the folder is gone,
and the next run removes the folder.
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
# A socket address has 108 bytes with its final zero (unix(7)); the longest path that is made below
# the root is "/harness-12345678/receiver.sock".
_MAX_ROOT_BYTES = 107 - 31
# The minimum for the overlay of a boot to the network; a Debian writes about 100 MB.
MIN_FREE_BYTES = 1 << 30


def scratch_root() -> Path:
    """The parent of scratch folders: ``$TMPDIR``, else ``/var/tmp`` (on disk, unlike ``/tmp``)."""
    return Path(os.environ.get("TMPDIR") or "/var/tmp")  # noqa: S108  mkdtemp makes it safe


@contextmanager
def scratch_folder(*, sockets: bool = False) -> Iterator[Path]:
    """Make a private folder, and remove it at the end of the block.

    Raises HostError (``host.no-space``) without enough free space; with ``sockets``, UsageError
    where the path is too long for the sockets of a machine.
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
    """Make a folder; return it and the descriptor of the lock held in it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another run may have removed the folder before the lock was held.
        if (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)


def _sweep(root: Path) -> None:
    """Remove the folders of killed runs: those of this user that no process locks."""
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
