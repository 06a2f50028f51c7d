"""A disk whose root file system is encrypted, and whose /boot is not."""

from __future__ import annotations

import dataclasses
import secrets
from pathlib import Path

from images.disk import Root, build_disk
from images.recipe import RecipeError
from images.steps import run

_BOOT_MIB = 256
# The strength of the passphrase does not matter here, so the key derivation is cheap.
_ITERATION_MS = 10
# qemu-img measures this host first, with a fixed count of it: of a faster one a fast host, or one
# that counts its processors' time in ticks, sees no time pass, and qemu-img gives up.
_HASH = "sha512"
_TRIES = 8


def build_encrypted_disk(root: Root, scratch: Path, output: Path) -> None:
    """Write a compressed qcow2 to ``output`` of the system in ``root.tar``.

    ``root.uuid`` and ``root.label`` name the file system for /boot, which is the second partition;
    the third, "data", is LUKS 1 around the rest. Nobody knows its passphrase.
    """
    boot, plain, locked = scratch / "boot", scratch / "plain.raw", scratch / "locked.raw"
    size_mib = root.size_mib - _BOOT_MIB
    # One command, so that all of it sees the same owners where root is only believed.
    script = """
        tar -x -f "$1" -C "$2" --numeric-owner
        mv "$2/boot" "$3"
        mkdir "$2/boot"
        exec mke2fs -q -t ext4 -L system -E lazy_itable_init=0 -d "$2" "$4" "$5"
    """
    words = ("sh", "-ec", script, "sh", root.tar or "", root.folder, boot, plain, f"{size_mib}M")
    run(*words, as_root=True)
    passphrase = scratch / "passphrase"
    passphrase.write_text(secrets.token_hex(), encoding="ascii")
    _lock(plain, locked, passphrase)
    part = dataclasses.replace(
        root, folder=boot, tar=None, label="boot", size_mib=_BOOT_MIB, grub_folder="/grub"
    )
    build_disk(part, scratch, output, locked)


def _lock(plain: Path, locked: Path, passphrase: Path) -> None:
    """Write ``plain`` to ``locked``, in LUKS 1."""
    for tries_left in reversed(range(_TRIES)):
        try:
            run(
                "qemu-img",
                "convert",
                "-f",
                "raw",
                "-O",
                "luks",
                "--object",
                f"secret,id=passphrase,file={passphrase}",
                "-o",
                f"key-secret=passphrase,hash-alg={_HASH},iter-time={_ITERATION_MS}",
                plain,
                locked,
            )
        except RecipeError:
            # On a busy host it may see no time pass while it measures its own speed.
            if not tries_left:
                raise
        else:
            return
