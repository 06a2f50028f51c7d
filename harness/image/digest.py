"""The digest of a file, read in pieces: an image does not fit into memory."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

_CHUNK_BYTES = 4 << 20


def digest_of(path: Path, algorithm: str, stop: threading.Event | None = None) -> str:
    """The digest of the file in hexadecimal; raises OSError where it cannot be read.

    After ``stop`` is set, the digest covers only the part read so far and is useless.
    """
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while (chunk := file.read(_CHUNK_BYTES)) and not (stop and stop.is_set()):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of(path: Path, stop: threading.Event | None = None) -> str:
    """The SHA-256 of the file, as by :func:`digest_of`."""
    return digest_of(path, "sha256", stop)
