"""The tiny guest: Debian's kernel, a static init, GRUB."""

from __future__ import annotations

import gzip
import shutil
import uuid
from pathlib import Path

from harness.newc import newc
from images.debian import fetch_kernel
from images.disk import Root, build_disk
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


def build_tiny(
    recipe: Tiny, cmdline: str, firmware: Firmware, kernel: Path, scratch: Path, output: Path
) -> None:
    """Write the guest to ``output`` as qcow2, with ``cmdline`` added to its kernel's.

    ``firmware`` says which one can start it. ``kernel`` is the folder that :func:`unpack_kernel`
    made; ``scratch`` an empty one. What init understands is in ``recipes/tiny/init.c``.
    """
    say("tiny: compiling init, writing the disk")
    init = scratch / "init"
    run("musl-gcc", "-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror", "-o", init, _INIT)
    files = {"init": init.read_bytes()}
    for number, module in enumerate(module_order(kernel, recipe.modules)):
        files[f"modules/{number:02}-{module.name}"] = module.read_bytes()
    folders = ("dev", "proc", "sys", "seed", "modules")
    boot = scratch / "root" / "boot"
    (boot / "grub").mkdir(parents=True)
    archive = gzip.compress(newc(files, folders), mtime=0)
    (boot / "initrd.img").write_bytes(archive)
    shutil.copyfile(kernel / "vmlinuz", boot / "vmlinuz")
    grub_cfg = _GRUB_CFG.format(uuid=_UUID, cmdline=cmdline)
    (boot / "grub" / "grub.cfg").write_text(grub_cfg, encoding="utf-8")
    root = Root(scratch / "root", _UUID, "tiny", _SIZE_MIB)
    build_disk(root, scratch, output, firmware=firmware)


def unpack_kernel(recipe: Tiny, scratch: Path, output: Path) -> None:
    """Make the folder ``output`` with ``vmlinuz``, ``modules.dep`` and the modules needed."""
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
    shutil.copyfile(modules / "modules.dep", output / "modules.dep")


def module_order(kernel: Path, wanted: list[str]) -> list[Path]:
    """The files of the ``wanted`` modules and of what they need, in the order to load them.

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
