"""A machine that is up: what whoever watches it may ask of it, whoever started it."""

from __future__ import annotations

import asyncio
import itertools
import re
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError

from harness.errors import QemuError
from harness.machine.backend import ANSWER_TIMEOUT_S
from harness.machine.spec import Endpoints


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How QEMU ended: its last words, and its exit status, None where nobody is told that."""

    status: int | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MachineDefinition:
    """What the machine was made from, for the run folder: the name of a file, and its text."""

    file_name: str
    text: str


@dataclass(frozen=True, slots=True)
class Machine(ABC):
    """A QEMU with a monitor of ours, and where its streams can be met.

    ``answer_timeout_s`` is how long that monitor may take for an answer.

    Whoever started it says how it is switched on, how it ends, and what it takes of the processors.
    """

    qmp: QMPClient
    endpoints: Endpoints
    origin: MachineDefinition
    answer_timeout_s: float = field(default=ANSWER_TIMEOUT_S, kw_only=True)
    _dumps: itertools.count[int] = field(default_factory=itertools.count, init=False)

    async def command(self, name: str, **arguments: Any) -> Any:
        """The answer of one QMP command.

        Raises HostError (``host.qemu-crashed``) where QEMU is gone or does not answer, and
        qemu.qmp's ExecuteError where it refuses.
        """
        try:
            async with asyncio.timeout(self.answer_timeout_s):
                return await self.qmp.execute(name, arguments or None)
        except ExecuteError:
            raise
        except (QMPError, EOFError, OSError, TimeoutError) as error:
            raise QemuError(f"QEMU did not answer {name}: {type(error).__name__}.") from error

    async def monitor(self, line: str) -> str:
        """The text that the human monitor prints for ``line``."""
        return str(await self.command("human-monitor-command", **{"command-line": line}))

    def events(self) -> AbstractContextManager[EventListener]:
        """A listener for every event from now on, until the block is left."""
        return self.qmp.listener()

    async def dump(self, command: str, **arguments: int | str) -> bytes:
        """What QEMU writes to a file for ``command``: ``screendump``, ``pmemsave``.

        Raises ExecuteError where it refuses, OSError where the file cannot be read, and HostError
        as :meth:`command` does.
        """
        path = self.endpoints.qmp_socket.with_name(f"dump-{next(self._dumps)}")
        try:
            await self.command(command, filename=str(path), **arguments)
            return await asyncio.to_thread(path.read_bytes)
        finally:
            path.unlink(missing_ok=True)

    async def knock_address(self) -> tuple[str, int]:
        """Host and port of the forward that leads to the guest's own port.

        QEMU chose a free port itself; its monitor is the only place that says which.
        """
        table = await self.monitor("info usernet")
        # "TCP[HOST_FORWARD]  13       127.0.0.1 43210    203.0.113.10    22 ..."
        match = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s", table)
        if match is None:
            raise QemuError("QEMU did not open the forward to the guest.")
        return match[1], int(match[2])

    @abstractmethod
    async def power_on(self) -> None:
        """Let the guest run."""

    @property
    @abstractmethod
    def has_ended(self) -> bool:
        """Whether QEMU has ended."""

    @abstractmethod
    async def ended(self) -> ProcessEnd:
        """Wait until QEMU has ended. Raises HostError where it is lost from sight."""

    def allocated_bytes(self) -> int:
        """How much the file of its disk has grown; 0 where QEMU itself can be asked to the end.

        For when QEMU is gone, and with it its own count of what the guest has written.
        """
        return 0

    @abstractmethod
    async def cpu_s(self) -> float:
        """The processor time that it took so far; 0.0 where it has ended."""


def last_words(log: Path) -> tuple[str, ...]:
    """The last lines of what QEMU said; nothing where there is no such file."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ()
    return tuple(lines[-5:])
