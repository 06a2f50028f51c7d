"""The digest of a file, read piece by piece: an image does not fit into memory."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

_CHUNK_BYTES = 4 << 20


def digest_of(path: Path, algorithm: str, stop: threading.Event | None = None) -> str:
    """The digest of the file in hexadecimal; raises OSError where it cannot be read.

    Once ``stop`` is set, it is that of what was read by then, and of no use.
    """
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while (chunk := file.read(_CHUNK_BYTES)) and not (stop and stop.is_set()):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of(path: Path, stop: threading.Event | None = None) -> str:
    """As :func:`digest_of`, the SHA-256."""
    return digest_of(path, "sha256", stop)
