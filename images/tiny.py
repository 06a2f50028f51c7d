"""The tiny guest: Debian's kernel, a static init, GRUB."""

from __future__ import annotations

import gzip
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

from harness.image.fs.newc import append_files, newc_archive
from images.debian import fetch_kernel
from images.disk import EFI_X86_64, Root, build_disk
from images.recipe import RECIPES, Firmware, RecipeError, Tiny
from images.steps import run, say

_SIZE_MIB = 48
_UUID = str(uuid.UUID("0d4f2d1c-8b6e-4f0e-9a57-7e11e7e11e77"))
_INIT = RECIPES / "tiny" / "init.c"

_GRUB_CFG = """\
set timeout=0
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
search --no-floppy --fs-uuid --set=root {uuid}
linux /boot/vmlinuz console=tty0 console=ttyS0,115200 {cmdline}
initrd /boot/initrd.img
boot
"""

_ISO_GRUB_CFG = """\
set timeout=-1
menuentry 'Install' {
    linux /install.amd/vmlinuz console=tty0 console=ttyS0,115200 tiny.mode=install
    initrd /install.amd/initrd.gz
}
"""


def build_tiny(
    recipe: Tiny,
    cmdline: str,
    firmware: Firmware,
    sources: tuple[Path, Path | None],
    scratch: Path,
    output: Path,
) -> None:
    """Write the guest to ``output`` as qcow2, with ``cmdline`` added to its kernel's.

    ``firmware`` says which one can start it. ``sources`` are the folder that :func:`unpack_kernel`
    made, and the one with signed loaders where the recipe wants them; ``scratch`` is an empty one.
    What init understands is in ``recipes/tiny/init.c``.
    """
    say("tiny: compiling init, writing the disk")
    kernel, signed = sources
    boot = scratch / "root" / "boot"
    (boot / "grub").mkdir(parents=True)
    (boot / "initrd.img").write_bytes(_initrd(recipe.modules, kernel, scratch))
    shutil.copyfile(kernel / "vmlinuz", boot / "vmlinuz")
    grub_cfg = _GRUB_CFG.format(uuid=_UUID, cmdline=cmdline)
    (boot / "grub" / "grub.cfg").write_text(grub_cfg, encoding="utf-8")
    root = Root(scratch / "root", _UUID, "tiny", _SIZE_MIB)
    efi = replace(EFI_X86_64, signed=signed)
    build_disk(root, scratch, output, firmware=firmware, efi=efi)


def build_tiny_installer(
    recipe: Tiny, dropped: list[str], kernel: Path, guest: Path, scratch: Path, output: Path
) -> None:
    """Write an ISO to ``output`` that installs ``guest``, the image of ``recipe``, by copying it.

    By its files it is one of Debian's. Its menu waits for a key for ever, as theirs do. Without the
    modules in ``dropped`` its kernel lacks a driver.
    """
    say("tiny: writing the disc")
    iso = scratch / "disc"
    for folder in ("boot/grub", "install.amd", ".disk"):
        (iso / folder).mkdir(parents=True)
    modules = [name for name in recipe.modules if name not in dropped]
    # After the archive with init: the files by which inspection finds the drivers.
    listed = append_files(_initrd(modules, kernel, scratch), _listed(modules, kernel))
    (iso / "install.amd" / "initrd.gz").write_bytes(listed)
    shutil.copyfile(kernel / "vmlinuz", iso / "install.amd" / "vmlinuz")
    (iso / ".disk" / "info").write_text("tiny, a stand-in for an installer\n", encoding="utf-8")
    (iso / "boot" / "grub" / "grub.cfg").write_text(_ISO_GRUB_CFG, encoding="utf-8")
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", guest, iso / "disk.bin")
    run("grub-mkrescue", "--locales=", "--themes=", "-o", output, iso)


def _initrd(modules: list[str], kernel: Path, scratch: Path) -> bytes:
    """Return an initrd with init and these modules."""
    init = scratch / "init"
    run("musl-gcc", "-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror", "-o", init, _INIT)
    files = {"init": init.read_bytes()}
    for number, module in enumerate(module_order(kernel, modules)):
        files[f"modules/{number:02}-{module.name}"] = module.read_bytes()
    folders = ("dev", "proc", "sys", "seed", "modules")
    return gzip.compress(newc_archive(files, folders), mtime=0)


def _listed(modules: list[str], kernel: Path) -> dict[str, bytes]:
    """Return entries for the modules and the list of built-in ones, as a distribution has them."""
    folder = f"lib/modules/{(kernel / 'release').read_text(encoding='ascii')}"
    order = module_order(kernel, modules)
    files = {f"{folder}/{path.relative_to(kernel)}": path.read_bytes() for path in order}
    return files | {f"{folder}/modules.builtin": (kernel / "modules.builtin").read_bytes()}


def unpack_kernel(recipe: Tiny, scratch: Path, output: Path) -> None:
    """Make the folder ``output`` with ``vmlinuz``, all modules and their indexes."""
    say(f"tiny: fetching {recipe.kernel} of {recipe.suite}")
    folder = fetch_kernel(recipe.suite, recipe.kernel, scratch)
    output.mkdir()
    shutil.copyfile(_only(folder / "boot", "vmlinuz-*"), output / "vmlinuz")
    modules = _only(folder, "**/lib/modules/*/kernel").parent
    # The package runs depmod when it is installed, and it was only unpacked.
    run("depmod", "--basedir", modules.parents[2], modules.name)
    for line in (modules / "modules.dep").read_text(encoding="ascii").splitlines():
        path = line.partition(":")[0]
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules / path, output / path)
    for name in ("modules.dep", "modules.builtin"):
        shutil.copyfile(modules / name, output / name)
    (output / "release").write_text(modules.name, encoding="ascii")


def module_order(kernel: Path, wanted: list[str]) -> list[Path]:
    """Return the files of the ``wanted`` modules and their dependencies, in load order.

    ``modules.dep`` names the needs of each from right to left (depmod(8), modules.dep(5)).
    """
    needs: dict[str, list[str]] = {}
    for line in (kernel / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {Path(path).name.partition(".")[0].replace("-", "_"): path for path in needs}
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise RecipeError(f"The kernel has no module {', '.join(missing)}.")
    order: dict[str, None] = {}
    for name in wanted:
        path = by_name[name]
        order.update(dict.fromkeys([*reversed(needs[path]), path]))
    return [kernel / path for path in order]


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise RecipeError(f"{folder}: {len(found)} files match {pattern}, one was expected.")
    return found[0]
