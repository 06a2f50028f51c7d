"""Debian's signed boot loaders, which start with Secure Boot on."""

from __future__ import annotations

import shutil
from pathlib import Path

from images.debian import fetch_files
from images.steps import say

_PACKAGES = ["shim-signed", "grub-efi-amd64-signed"]
# File of a package to its name beside the others on an EFI system partition. Shim starts GRUB by
# that name, from its own folder (shim, README).
_FILES = {
    "usr/lib/shim/shimx64.efi.signed": "shimx64.efi",
    "usr/lib/shim/mmx64.efi.signed": "mmx64.efi",
    "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed": "grubx64.efi",
}


def fetch_signed_loaders(suite: str, scratch: Path, output: Path) -> None:
    """Make the folder ``output`` with shim, its MokManager, and GRUB, each signed.

    Shim is signed by Microsoft, the rest by Debian, whose key shim knows.
    """
    say(f"fetching the signed loaders of {suite}")
    folder = scratch / "signed"
    fetch_files(suite, _PACKAGES, tuple(f"./{path}" for path in _FILES), folder)
    output.mkdir()
    for path, name in _FILES.items():
        shutil.copyfile(folder / path, output / name)
