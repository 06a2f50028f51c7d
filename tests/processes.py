"""Processes of the host: those of a machine are found, and what one does is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline_s, f"waited for {seconds} s"
        time.sleep(0.05)


def machines_of(scratch: Path) -> list[str]:
    """The command lines of processes of QEMU and of swtpm that use ``scratch``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        is_ours = b"qemu-system" in words or b"swtpm" in words
        if is_ours and str(scratch).encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found
