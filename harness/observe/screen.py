"""Pictures of the guest's screen."""

from __future__ import annotations

from pathlib import Path

from qemu.qmp import ExecuteError

from harness.evidence import EvidenceLog
from harness.machine.qemu import Machine


async def take_screenshot(log: EvidenceLog, machine: Machine, folder: Path, name: str) -> None:
    """Write the screen to ``folder`` as ``name.png`` and record that.

    A screen that QEMU cannot write (no room on the host) is recorded as missing.
    """
    path = folder / f"{name}.png"
    try:
        await machine.command("screendump", filename=str(path), format="png")
    except ExecuteError as error:
        log.record("screen", "missing", file=path.name, reason=str(error))
    else:
        log.record("screen", "shot", file=path.name)
