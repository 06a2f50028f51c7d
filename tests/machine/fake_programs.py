"""Programs on PATH that stand in for the real ones."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

FAKE_QEMU = Path(__file__).with_name("fake_qemu.py")


def write_fake_qemu(folder: Path, **scenario: Any) -> Path:
    """A ``qemu-system-x86_64`` in ``folder`` that plays ``scenario`` (see fake_qemu.py)."""
    played = folder / "scenario.json"
    played.write_text(json.dumps(scenario))
    program = folder / "qemu-system-x86_64"
    # Without the packages of the environment, which take longer to find than all else.
    words = [sys.executable, "-I", "-S", str(FAKE_QEMU), str(played)]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    program.chmod(0o755)
    return program
