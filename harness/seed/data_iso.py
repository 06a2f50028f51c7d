"""An ISO of small files for a guest to read: the seed, or the answers for an installer."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pycdlib


def write_data_iso(label: str, files: Mapping[str, bytes], path: Path) -> None:
    """Write an ISO 9660 labelled ``label`` to ``path``, with ``files`` by path from its root.

    Joliet and Rock Ridge, so that every reader sees the names as they are.
    """
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    for folder in sorted({str(up) for name in files for up in PurePosixPath(name).parents} - {"."}):
        iso.add_directory(
            _plain_path(folder), rr_name=PurePosixPath(folder).name, joliet_path=f"/{folder}"
        )
    for name, content in files.items():
        iso.add_fp(
            io.BytesIO(content),
            len(content),
            f"{_plain_path(name)}.;1",
            rr_name=PurePosixPath(name).name,
            joliet_path=f"/{name}",
        )
    try:
        iso.write(str(path))
    finally:
        iso.close()


def _plain_path(path: str) -> str:
    """Return the path in names that ISO 9660 allows: capitals, digits, "_" (ECMA-119, 7.4.1)."""
    return "/" + re.sub(r"[^A-Z0-9/]", "_", path.upper())
