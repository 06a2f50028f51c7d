"""Core images of GRUB, made by grub-mkimage."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

PREFIX = "(hd0,gpt2)/boot/grub"


def core(folder: Path, *modules: str, prefix: str = PREFIX) -> bytes:
    path = folder / "core.img"
    words = ["grub-mkimage", "-O", "i386-pc", "-p", prefix, "-o", path, *modules]
    subprocess.run(words, check=True)
    image = bytearray(path.read_bytes())
    image += bytes(-len(image) % 512)
    struct.pack_into("<QH", image, 500, 1, len(image) // 512 - 1)
    return bytes(image)
