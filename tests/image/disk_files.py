"""Disk images of every format, made by qemu-img, and patches of their bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path


def run(*words: object, cwd: Path | None = None) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, cwd=cwd)


def qcow2(raw: Path, *options: str, name: str = "disk.qcow2") -> Path:
    image = raw.with_name(name)
    run("qemu-img", "convert", "-O", "qcow2", *options, raw, image)
    return image


def patch(path: Path, offset: int, content: bytes) -> Path:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)
    return path
