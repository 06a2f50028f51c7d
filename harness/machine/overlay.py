"""The disk that takes what the guest writes."""

from __future__ import annotations

import asyncio
import logging

from harness.errors import NoSpaceError
from harness.host.programs import PDEATHSIG, find_program
from harness.machine.spec import MachineSpec

_log = logging.getLogger(__name__)


async def create_overlay(spec: MachineSpec) -> None:
    """Create an empty qcow2 of the image's size, joined to the image only on QEMU's command line.

    ``qemu-img`` gets the size and never opens the image. Raises HostError where it fails.
    """
    words = ("create", "-q", "-f", "qcow2", str(spec.overlay), str(spec.disk_size_bytes))
    _log.debug("start: qemu-img %s", " ".join(words))
    process = await asyncio.create_subprocess_exec(
        *PDEATHSIG,
        str(find_program("qemu-img")),
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await process.communicate()
    _log.debug("qemu-img ended with status %s", process.returncode)
    if process.returncode:
        said = stderr.decode(errors="replace").strip()
        raise NoSpaceError(f"The overlay could not be made: {said}.")
