"""The build of an entry: a copy of its base with only the changed blocks rewritten."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from images.build import build, cached
from images.gallery.edit import apply_steps
from images.gallery.entry import GALLERY, Entry, load_entry
from images.steps import run, say

_BLOCK_BYTES = 64 << 10
# Commands for one call of qemu-io: the length of a command line is limited.
_WRITES_AT_ONCE = 200


def build_entry(name: str) -> Path:
    """Return the qcow2 of an entry, built now or earlier; raises RecipeError."""
    entry = load_entry(name)
    base = build(entry.base, entry.cmdline)
    if not entry.steps:
        return base

    def make(scratch: Path, output: Path) -> None:
        say(f"{name}: breaking {entry.base}")
        break_image(entry, base, scratch, output)

    return cached(name, f"{_digest(entry, base)}.qcow2", make)


def _digest(entry: Entry, base: Path) -> str:
    """Return a digest of the inputs of the image, without the expectation."""
    steps = "\n".join(step.model_dump_json() for step in entry.steps)
    digest = hashlib.sha256(f"{base.name}\n{steps}".encode())
    for source in sorted(GALLERY.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def break_image(entry: Entry, base: Path, scratch: Path, output: Path) -> None:
    """Write ``base``, changed by the steps of ``entry``, to ``output``.

    What does not change stays as it is in the file, compressed: that takes seconds, and no space.
    """
    before, after = scratch / "before.raw", scratch / "after.raw"
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", base, before)
    run("cp", "--sparse=always", "--reflink=auto", before, after)
    apply_steps(entry, after, scratch)
    shutil.copyfile(base, output)
    changes = list(changed_blocks(before, after))
    for first in range(0, len(changes), _WRITES_AT_ONCE):
        commands: list[str] = []
        for offset, content in changes[first : first + _WRITES_AT_ONCE]:
            block = scratch / f"block-{offset}"
            block.write_bytes(content)
            commands += ["-c", f"write -q -s {block} {offset} {len(content)}"]
        run("qemu-io", "-f", "qcow2", *commands, output)


def changed_blocks(before: Path, after: Path) -> Iterator[tuple[int, bytes]]:
    """Yield offset and new content of every block in which two raw disks of one size differ."""
    with before.open("rb") as old, after.open("rb") as new:
        size_bytes = os.fstat(new.fileno()).st_size
        for start, end in _data_ranges(old.fileno(), new.fileno(), size_bytes):
            for offset in range(start, end, _BLOCK_BYTES):
                old.seek(offset)
                new.seek(offset)
                content = new.read(_BLOCK_BYTES)
                if content != old.read(_BLOCK_BYTES):
                    yield offset, content


def _data_ranges(old: int, new: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges, in whole blocks, that are data in at least one of two files."""
    at = 0
    while at < size_bytes:
        begins = [_seek(file, at, os.SEEK_DATA, size_bytes) for file in (old, new)]
        start = min(begins) // _BLOCK_BYTES * _BLOCK_BYTES
        ends = [
            _seek(file, begin, os.SEEK_HOLE, size_bytes)
            for file, begin in zip((old, new), begins, strict=True)
            if begin == min(begins) and begin < size_bytes
        ]
        if not ends:
            return
        end = -(-max(ends) // _BLOCK_BYTES) * _BLOCK_BYTES
        yield max(start, at), min(end, size_bytes)
        at = end


def _seek(file: int, at: int, whence: int, size_bytes: int) -> int:
    try:
        return os.lseek(file, at, whence)
    except OSError:  # nothing but a hole follows
        return size_bytes
