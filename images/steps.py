"""The programs that recipes are built with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from images.recipe import RecipeError

_PACKAGES = {
    "debugfs": "e2fsprogs",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "fakeroot": "fakeroot",
    "grub-mkimage": "grub-common",
    "grub-mkrescue": "grub-common",
    "hivexregedit": "libwin-hivex-perl",
    "mcopy": "mtools",
    "mke2fs": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mkntfs": "ntfs-3g",
    "mksquashfs": "squashfs-tools",
    "mmd": "mtools",
    "mmove": "mtools",
    "mmdebstrap": "mmdebstrap",
    "musl-gcc": "musl-tools",
    "qemu-img": "qemu-utils",
    "qemu-io": "qemu-utils",
    "sfdisk": "fdisk",
    "wimapply": "wimtools",
    "wimcapture": "wimtools",
    "xorriso": "xorriso",
}
_STDERR_LINES = 6


def run(*command: str | Path, stdin: str | None = None, as_root: bool = False) -> str:
    """Run ``command``, and return its stdout.

    With ``as_root`` it believes to be root, which matters where files are unpacked with their
    owners. Raises RecipeError where the program is missing or fails.
    """
    words = [str(word) for word in command]
    if as_root and os.geteuid() != 0:
        words = ["fakeroot", "--", *words]
    for program in dict.fromkeys((words[0], str(command[0]))):
        if shutil.which(program) is None:
            package = _PACKAGES.get(program, program)
            raise RecipeError(f"{program} is not installed: apt-get install {package}.")
    done = subprocess.run(words, input=stdin, text=True, capture_output=True, check=False)
    if done.returncode:
        last = "\n  ".join(done.stderr.strip().splitlines()[-_STDERR_LINES:])
        raise RecipeError(f"{words[0]} failed with status {done.returncode}:\n  {last}")
    return done.stdout


def say(text: str) -> None:
    """Print a line about the current step to stderr."""
    print(f"  {text}", file=sys.stderr, flush=True)  # noqa: T201  this is the program's output
