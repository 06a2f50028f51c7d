"""A running machine, as its observers see it, whichever backend started it."""

from __future__ import annotations

import asyncio
import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
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
    """The end of QEMU: its last words, and its exit status, None where it is not known."""

    status: int | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MachineDefinition:
    """The definition of the machine for the run folder: the name of a file, and its text."""

    file_name: str
    text: str


@dataclass(frozen=True, slots=True)
class Machine(ABC):
    """A QEMU with our monitor, and the endpoints of its streams.

    ``answer_timeout_s`` is the timeout of that monitor's answers.

    A subclass for each backend switches it on, waits for its end, and measures its processor time.
    """

    qmp: QMPClient
    endpoints: Endpoints
    origin: MachineDefinition
    answer_timeout_s: float = field(default=ANSWER_TIMEOUT_S, kw_only=True)
    _dumps: itertools.count[int] = field(default_factory=itertools.count, init=False)

    async def command(self, name: str, **arguments: Any) -> Any:
        """Return the answer to a QMP command.

        Raises HostError (``host.qemu-crashed``) where QEMU is gone or does not answer, and
        qemu.qmp's ExecuteError where it refuses.
        """
        try:
            return await self._answer(self.qmp.execute(name, arguments or None))
        except ExecuteError:
            raise
        except (QMPError, EOFError, OSError, TimeoutError) as error:
            raise QemuError(f"QEMU did not answer {name}: {type(error).__name__}.") from error

    async def _answer(self, execution: Coroutine[Any, Any, Any]) -> Any:
        """Wait for an answer of QMP. A QEMU that is stopped cannot give one: it is waited for."""
        answer = asyncio.ensure_future(execution)
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=self.answer_timeout_s)
                if not answer.done() and not self.is_stopped():
                    raise TimeoutError
            return answer.result()
        finally:
            answer.cancel()

    async def monitor(self, line: str) -> str:
        """Return the text that the human monitor prints for ``line``."""
        return str(await self.command("human-monitor-command", **{"command-line": line}))

    def events(self) -> AbstractContextManager[EventListener]:
        """Return a listener for every event from now on, until the block is left."""
        return self.qmp.listener()

    async def dump(self, command: str, **arguments: int | str) -> bytes:
        """Return the file that QEMU writes for ``command``: ``screendump``, ``pmemsave``.

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
        """Return host and port of the forward that leads to the guest's port.

        QEMU chose a free port itself; only its monitor tells which.
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
        """True where QEMU has ended."""

    @abstractmethod
    async def ended(self) -> ProcessEnd:
        """Wait until QEMU has ended. Raises HostError where the connection to it is lost."""

    def allocated_bytes(self) -> int:
        """Return the number of bytes that the file of its disk has grown by.

        It replaces QEMU's own count of the guest's writes where QEMU is gone; 0 where QEMU answers
        until its end.
        """
        return 0

    def run_queue_waits_s(self) -> Mapping[str, float]:
        """How long each thread of QEMU has waited for a processor so far, in seconds.

        Nothing where that is not known of the host of the machine.
        """
        return {}

    def is_stopped(self) -> bool:
        """Whether QEMU is kept from running by a signal or a freezer; False where nobody knows."""
        return False

    @abstractmethod
    async def cpu_s(self) -> float:
        """Return the processor time that it took so far; 0.0 where it has ended."""


def last_words(log: Path) -> tuple[str, ...]:
    """Return the last lines of QEMU's output; none where there is no such file."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ()
    return tuple(lines[-5:])
