"""A machine as a QEMU child process, driven over QMP."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from qemu.qmp import QMPClient, QMPError

from harness.errors import QemuError
from harness.host import process as host_process
from harness.host.programs import PDEATHSIG, find_program, find_qemu
from harness.host.racing import racing
from harness.machine.acceleration import Acceleration, AcceleratorChoice, choose_acceleration
from harness.machine.backend import ANSWER_TIMEOUT_S, Backend
from harness.machine.machine import Machine, MachineDefinition, ProcessEnd, last_words
from harness.machine.overlay import create_overlay
from harness.machine.qemu_args import qemu_args
from harness.machine.spec import Endpoints, MachineSpec
from harness.machine.start_fault import start_fault

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessMachine(Machine):
    """A machine that is a child of this program."""

    process: asyncio.subprocess.Process

    async def power_on(self) -> None:
        """Let the guest run."""
        await self.command("cont")

    @property
    def has_ended(self) -> bool:
        """True where QEMU has ended."""
        return self.process.returncode is not None

    async def ended(self) -> ProcessEnd:
        """Wait until QEMU has ended."""
        status = await self.process.wait()
        return ProcessEnd(status, last_words(self.endpoints.stderr_log))

    async def cpu_s(self) -> float:
        """Return the processor time that it took so far; 0.0 where it has ended."""
        return host_process.cpu_s(self.process.pid)

    def run_queue_waits_s(self) -> Mapping[str, float]:
        """Return how long each thread of QEMU has waited for a processor so far, in seconds."""
        return host_process.run_queue_waits_s(self.process.pid)

    def is_stopped(self) -> bool:
        """Tell whether QEMU is stopped by a signal, or frozen with its cgroup."""
        return host_process.is_stopped(self.process.pid)


def launch(
    backend: Backend, spec: MachineSpec, endpoints: Endpoints
) -> AbstractAsyncContextManager[Machine]:
    """Return a machine that is a child of this program, stopped before its first instruction."""
    return launch_qemu(spec, endpoints, backend.answer_timeout_s)


def choose_acceleration_on(_: Backend, choice: AcceleratorChoice) -> Acceleration:
    """Return the accelerator of this host."""
    return choose_acceleration(choice)


def check_host() -> None:
    """Return nothing: every run needs QEMU, so ``harness doctor`` looks for it in any case."""


@asynccontextmanager
async def launch_qemu(
    spec: MachineSpec, endpoints: Endpoints, answer_timeout_s: float = ANSWER_TIMEOUT_S
) -> AsyncIterator[ProcessMachine]:
    """Run a machine, stopped before its first instruction, until the block is left.

    The observers must listen on the sockets of ``endpoints`` already; this function listens on the
    monitor's. Raises HostError where QEMU does not start, or its monitor does not come up in
    ``answer_timeout_s``.
    """
    command_line = (*PDEATHSIG, str(find_qemu()), *qemu_args(spec, endpoints))
    find_program(PDEATHSIG[0])
    await create_overlay(spec)
    _log.info("start: %s", shlex.join(command_line))
    qmp = QMPClient("harness")
    await qmp.start_server(str(endpoints.qmp_socket))
    with endpoints.stderr_log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command_line,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
            # A Ctrl-C at the terminal must not reach QEMU: we end the machine in order.
            start_new_session=True,
        )
    try:
        await _accept(qmp, process, endpoints.stderr_log, answer_timeout_s)
        _log.info("QEMU %d runs, stopped before the first instruction", process.pid)
        origin = MachineDefinition("qemu.command", shlex.join(command_line) + "\n")
        yield ProcessMachine(qmp, endpoints, origin, process, answer_timeout_s=answer_timeout_s)
    finally:
        if process.returncode is None:
            process.kill()
        _log.info("QEMU %d ended with status %d", process.pid, await process.wait())
        # It reports that the peer is gone, which is our own doing.
        with suppress(QMPError, EOFError, OSError):
            await qmp.disconnect()


async def _accept(
    qmp: QMPClient, process: asyncio.subprocess.Process, stderr_log: Path, timeout_s: float
) -> None:
    """Wait until QEMU's monitor connects; raise HostError where QEMU ends instead."""
    try:
        async with (
            asyncio.timeout(timeout_s),
            racing(qmp.accept(), process.wait()) as (accepting, ending),
        ):
            if accepting.done() and accepting.exception() is None:
                return
            await ending
    except TimeoutError:
        raise QemuError(f"QEMU did not come up in {timeout_s:g} s.") from None
    said = await asyncio.to_thread(stderr_log.read_text, errors="replace")
    raise start_fault(said, f"exit status {process.returncode}", process.returncode)
