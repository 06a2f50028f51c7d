"""The steps of an entry, applied to a raw disk."""

from __future__ import annotations

import json
import posixpath
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from images.cpio import without
from images.debian import fetch_kernel
from images.disk import SECTOR_BYTES, core_image, write_grub
from images.gallery.entry import (
    ClearStep,
    DamageStep,
    DebugfsStep,
    DropModulesStep,
    Entry,
    FillUpStep,
    GrubCoreStep,
    KernelStep,
    LinkStep,
    MoveOnEspStep,
    RemoveStep,
    ReplaceStep,
    Step,
    WriteStep,
)
from images.gallery.ext4 import Ext4
from images.recipe import RecipeError
from images.steps import run

_FILL_GOES = 40


def apply_steps(entry: Entry, disk: Path, scratch: Path) -> None:
    """Change the raw ``disk`` in place; raises RecipeError for a step that changes nothing."""
    for number, step in enumerate(entry.steps, start=1):
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            try:
                _apply(step, disk, Path(folder))
            except (RecipeError, ValueError) as error:
                raise RecipeError(f"step {number} ({step.do}): {error}") from error


def _apply(step: Step, disk: Path, scratch: Path) -> None:
    if isinstance(step, ClearStep | GrubCoreStep):
        _DISK_STEPS[type(step)](disk, step, scratch)
        return
    offsets = partition_offsets(disk)
    if step.partition not in offsets:
        raise RecipeError(f"there is no partition {step.partition}.")
    if isinstance(step, MoveOnEspStep):
        _move_on_esp(disk, offsets[step.partition], step)
        return
    _VOLUME_STEPS[type(step)](Ext4(disk, offsets[step.partition]), step, scratch)


def partition_offsets(disk: Path) -> dict[int, int]:
    """Return the offset of each partition in bytes, by its number."""
    table = json.loads(run("sfdisk", "--json", disk))["partitiontable"]
    return {
        number: row["start"] * SECTOR_BYTES for number, row in enumerate(table["partitions"], 1)
    }


def _remove(volume: Ext4, step: RemoveStep, _: Path) -> None:
    for path in volume.match(step.path):
        volume.remove(path)


def _write(volume: Ext4, step: WriteStep, _: Path) -> None:
    volume.write(step.path, step.text.encode(), int(step.mode, 8))


def _replace(volume: Ext4, step: ReplaceStep, _: Path) -> None:
    for path in volume.match(step.path):
        text = volume.read(path).decode()
        changed, count = re.subn(step.pattern, step.by, text, flags=re.MULTILINE)
        if not count:
            raise RecipeError(f"{path}: nothing matches {step.pattern!r}.")
        volume.write(path, changed.encode())


def _link(volume: Ext4, step: LinkStep, _: Path) -> None:
    volume.link(step.path, step.target)


def _damage(volume: Ext4, step: DamageStep, _: Path) -> None:
    for path in volume.match(step.path):
        content = bytearray(volume.read(path))
        end = step.at_byte + step.size_bytes
        if end > len(content):
            raise RecipeError(f"{path}: it has only {len(content)} bytes.")
        content[step.at_byte : end] = bytes([step.value]) * step.size_bytes
        volume.write(path, bytes(content))


def _drop_modules(volume: Ext4, step: DropModulesStep, _: Path) -> None:
    for path in volume.match(step.path):
        content = volume.read(path)
        for module in step.modules:
            content, dropped = without(content, _is_module(module))
            if not dropped:
                raise RecipeError(f"{path}: the module {module} is not in it.")
        volume.write(path, content)


def _is_module(module: str) -> Callable[[str], bool]:
    """Tell whether a path is a module file, compressed or not."""
    name = re.compile(rf"(?:^|/){re.escape(module)}\.ko(?:\.[a-z0-9]+)?$")
    return lambda path: bool(name.search(path))


def _fill_up(volume: Ext4, step: FillUpStep, _: Path) -> None:
    volume.write(step.path, b"")
    # Indirect blocks take space as well, so this needs several passes.
    begin = 0
    for _go in range(_FILL_GOES):
        free = volume.free_blocks()
        if not free:
            return
        take = max(free - free // 1000, 1)
        volume.commands(f'fallocate "{step.path}" {begin} {begin + take - 1}')
        begin += take
    raise RecipeError(f"{volume.free_blocks()} blocks are still free.")


def _debugfs(volume: Ext4, step: DebugfsStep, _: Path) -> None:
    volume.commands(*step.commands)


def _kernel(volume: Ext4, step: KernelStep, scratch: Path) -> None:
    folder = fetch_kernel(step.suite, step.package, scratch, step.architecture)
    kernels = sorted((folder / "boot").glob("vmlinuz-*"))
    if len(kernels) != 1:
        raise RecipeError(f"{step.package} holds {len(kernels)} kernels, one was expected.")
    for path in volume.match(step.path):
        volume.write(path, kernels[0].read_bytes())


def _move_on_esp(disk: Path, offset_bytes: int, step: MoveOnEspStep) -> None:
    volume = f"{disk}@@{offset_bytes}"
    run("mmd", "-i", volume, f"::{posixpath.dirname(step.to)}")
    run("mmove", "-i", volume, f"::{step.path}", f"::{step.to}")


def _clear(disk: Path, step: ClearStep, _: Path) -> None:
    with disk.open("r+b") as file:
        file.seek(step.at_byte)
        file.write(bytes(step.size_bytes))


def _grub_core(disk: Path, step: GrubCoreStep, scratch: Path) -> None:
    write_grub(disk, core_image(scratch, step.prefix, tuple(step.modules)))


_VOLUME_STEPS: dict[type, Callable[[Ext4, Any, Path], None]] = {
    RemoveStep: _remove,
    WriteStep: _write,
    ReplaceStep: _replace,
    LinkStep: _link,
    DamageStep: _damage,
    DropModulesStep: _drop_modules,
    FillUpStep: _fill_up,
    DebugfsStep: _debugfs,
    KernelStep: _kernel,
}
_DISK_STEPS: dict[type, Callable[[Path, Any, Path], None]] = {
    ClearStep: _clear,
    GrubCoreStep: _grub_core,
}
