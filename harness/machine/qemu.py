"""A machine as a QEMU process of ours, driven over QMP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError

from harness.errors import HostError
from harness.machine.qemu_args import qemu_args
from harness.machine.spec import Endpoints, MachineSpec
from harness.programs import PDEATHSIG, find_program, find_qemu

# Generous: under TCG on a loaded host the monitor may wait for the big lock of a busy device.
_QMP_TIMEOUT_S = 60.0
_START_TIMEOUT_S = 60.0

# What QEMU says when it cannot start, and whose fault that is. First match wins.
_START_FAULTS: tuple[tuple[str, str, str], ...] = (
    (
        r"cannot set up guest memory|[Cc]annot allocate memory|out of memory",
        "host.out-of-memory",
        "Free some memory, or run fewer machines at once.",
    ),
    (r"No space left on device", "host.no-space", "Free some space, or set TMPDIR elsewhere."),
    (
        r"Failed to get (shared )?\"?(write|consistent read)\"? lock",
        "host.image-changed",
        "Another process has the image open for writing: stop that machine first.",
    ),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A running QEMU: its process, its monitor, and where its streams can be met."""

    process: asyncio.subprocess.Process
    qmp: QMPClient
    endpoints: Endpoints
    command_line: tuple[str, ...]

    async def command(self, name: str, **arguments: Any) -> Any:
        """The answer of one QMP command.

        Raises HostError (``host.qemu-crashed``) where QEMU is gone or does not answer, and
        qemu.qmp's ExecuteError where it refuses.
        """
        try:
            async with asyncio.timeout(_QMP_TIMEOUT_S):
                return await self.qmp.execute(name, arguments or None)
        except ExecuteError:
            raise
        except (QMPError, EOFError, OSError, TimeoutError) as error:
            raise HostError(
                "host.qemu-crashed", f"QEMU did not answer {name}: {type(error).__name__}."
            ) from error

    async def monitor(self, line: str) -> str:
        """The text that the human monitor prints for ``line``."""
        return str(await self.command("human-monitor-command", **{"command-line": line}))

    def events(self) -> AbstractContextManager[EventListener]:
        """A listener for every event from now on, until the block is left."""
        return self.qmp.listener()

    async def power_on(self) -> None:
        """Let the guest run."""
        await self.command("cont")

    async def knock_address(self) -> tuple[str, int]:
        """Host and port of the forward that leads to the guest's own port.

        QEMU chose a free port itself; its monitor is the only place that says which.
        """
        table = await self.monitor("info usernet")
        # "TCP[HOST_FORWARD]  13       127.0.0.1 43210    203.0.113.10    22 ..."
        match = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s", table)
        if match is None:
            raise HostError("host.qemu-crashed", "QEMU did not open the forward to the guest.")
        return match[1], int(match[2])


@asynccontextmanager
async def launch_qemu(spec: MachineSpec, endpoints: Endpoints) -> AsyncIterator[Machine]:
    """A machine, powered but stopped before its first instruction; gone when the block is left.

    Whoever reads its streams must be listening on the sockets of ``endpoints`` already; the
    monitor's is listened on here. Raises HostError where QEMU does not start.
    """
    command_line = (*PDEATHSIG, str(find_qemu()), *qemu_args(spec, endpoints))
    find_program(PDEATHSIG[0])
    await _create_overlay(spec)
    qmp = QMPClient("harness")
    await qmp.start_server(str(endpoints.qmp_socket))
    with endpoints.stderr_log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command_line,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
            # A Ctrl-C at the terminal is for us: we end the machine in our own order.
            start_new_session=True,
        )
    try:
        await _accept(qmp, process, endpoints.stderr_log)
        yield Machine(process, qmp, endpoints, command_line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # It reports what we did on purpose: that the peer is gone.
        with suppress(QMPError, EOFError, OSError):
            await qmp.disconnect()


async def _accept(qmp: QMPClient, process: asyncio.subprocess.Process, stderr_log: Path) -> None:
    """Wait for QEMU's monitor to come to us, or for QEMU to end instead."""
    accepting = asyncio.create_task(qmp.accept())
    ending = asyncio.create_task(process.wait())
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            await asyncio.wait({accepting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if accepting.done() and accepting.exception() is None:
            return
        await ending
    except TimeoutError:
        raise HostError(
            "host.qemu-crashed", f"QEMU did not come up in {_START_TIMEOUT_S:g} s."
        ) from None
    finally:
        for task in (accepting, ending):
            task.cancel()
        with suppress(asyncio.CancelledError, QMPError, EOFError, OSError):
            await accepting
    said = await asyncio.to_thread(stderr_log.read_text, errors="replace")
    raise start_fault(said, process.returncode)


def start_fault(stderr: str, status: int | None) -> HostError:
    """The error for a QEMU that ended before its guest ran, from what it said."""
    lines = stderr.strip().splitlines()
    said = lines[-1].removeprefix("qemu-system-x86_64: ") if lines else f"exit status {status}"
    for pattern, finding_id, remedy in _START_FAULTS:
        if re.search(pattern, stderr):
            return HostError(finding_id, f"QEMU did not start: {said}", remedy)
    return HostError("host.qemu-crashed", f"QEMU did not start: {said}")


async def _create_overlay(spec: MachineSpec) -> None:
    """An empty qcow2 of the image's size, joined to the image only on QEMU's command line.

    ``qemu-img`` is told the size and never sees the image.
    """
    process = await asyncio.create_subprocess_exec(
        *PDEATHSIG,
        str(find_program("qemu-img")),
        *("create", "-q", "-f", "qcow2", str(spec.overlay), str(spec.disk_size_bytes)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await process.communicate()
    if process.returncode:
        said = stderr.decode(errors="replace").strip()
        raise HostError("host.no-space", f"The overlay could not be made: {said}.")
