"""The machine of a session for scripts and people: every call blocks until it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qemu.qmp import ExecuteError

from harness.errors import UsageError
from harness.machine.acceleration import Acceleration
from harness.model.stages import Stage
from harness.observe.screen import read_screen_now, take_last_screenshot
from harness.observe.ssh import CommandOutput, new_key, run_command, ssh_command
from harness.seed.seed import new_mac
from harness.session.loop import LoopThread
from harness.session.serial import Serial, SerialReader
from harness.session.stage_waiter import StageWaiter
from harness.trial.boot import BootVariant, RunningMachine, running_machine
from harness.trial.recorder import Listener, Recorder, ignore_events, open_log
from harness.trial.request import Case
from harness.trial.result import LAST_SCREEN_FILE, Result, compose


@dataclass(frozen=True, slots=True)
class GuestAddress:
    """The ``address`` and ``mac`` of the guest, and the ``host`` and ``port`` that lead to its SSH.

    A connection to ``host`` and ``port`` always succeeds: only an answer comes from the guest.
    """

    address: str
    mac: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LiveSession:
    """The parts of a running session; all but ``network`` belong to its loop."""

    run: RunningMachine
    recorder: Recorder
    waiter: StageWaiter
    serial: SerialReader
    network: GuestAddress
    key_file: Path
    folder: Path

    async def command(self, name: str, arguments: dict[str, Any]) -> Any:
        """Run a QMP command and return its answer; raises UsageError if QEMU refuses it."""
        try:
            return await self.run.machine.command(name, **arguments)
        except ExecuteError as error:
            raise UsageError(f"QEMU refuses {name}: {error}") from error

    def result(self) -> Result:
        """Return the result so far: inconclusive before a verdict."""
        diagnosis = self.recorder.diagnosis
        tracker = diagnosis.tracker
        return compose(tracker.start, tracker, diagnosis.judge.current_verdict(), self.folder)


@asynccontextmanager
async def running_session(
    case: Case,
    acceleration: Acceleration,
    variant: BootVariant | None = None,
    listener: Listener = ignore_events,
) -> AsyncIterator[LiveSession]:
    """Yield the machine of ``case``, switched on and recorded until the block is left.

    ``variant`` has the settings of its boot; ``listener`` is called with each event. At the end the
    run folder has the result: that of the verdict, else that the session was left before one.
    """
    key = new_key()
    variant = variant or BootVariant(mac=new_mac(case.profile.machine.mac_prefix.value))
    variant = replace(variant, authorized_key=key.public)
    with open_log(case.folder) as log:
        recorder = Recorder(log, listener)
        waiter = StageWaiter(recorder.diagnosis, case.image.medium)
        recorder.listen(waiter)
        try:
            async with running_machine(case, acceleration, recorder, variant) as run:
                key.write(run.scratch / "id_ed25519")
                serial = SerialReader(case.folder / "serial.log", run.line, waiter, run.machine)
                network = GuestAddress(
                    str(run.seed.network.guest), run.seed.mac, *(await run.machine.knock_address())
                )
                key_file = run.scratch / "id_ed25519"
                try:
                    yield LiveSession(run, recorder, waiter, serial, network, key_file, case.folder)
                finally:
                    serial.close()
                    await _end(recorder, run, case.folder)
        finally:
            if recorder.diagnosis.verdict:
                recorder.write_result(case.folder)


async def _end(recorder: Recorder, run: RunningMachine, folder: Path) -> None:
    await take_last_screenshot(recorder.log, run.machine, folder, LAST_SCREEN_FILE)
    if not recorder.decided.is_set():
        recorder.fault("host.interrupted", "The session was left before anything was decided.")


class LiveMachine:
    """A running machine and its record. Its methods may be called from any thread.

    They raise SessionOverError once the session is over, HostError if QEMU does not answer.
    """

    def __init__(self, thread: LoopThread[LiveSession], managed: LiveSession) -> None:
        self._thread = thread
        self._live = managed
        self.run_dir = managed.folder
        """The run folder: evidence, console logs, screenshots; ``result.json`` after the end."""
        self.network = managed.network
        self.serial = Serial(thread, managed.serial)

    def wait_for_stage(self, stage: Stage = "network", timeout_s: float | None = None) -> None:
        """Wait until ``stage``, or a later one, is reached.

        Raises StageError with the sentence of the diagnosis as soon as there is another verdict,
        also without ``timeout_s``; StageTimeoutError after that many seconds.
        """
        self._thread.run(lambda: self._live.waiter.reach(stage, timeout_s))

    @property
    def stage(self) -> Stage:
        """The furthest stage that was reached since the session began."""

        async def ask() -> Stage:
            return self._live.waiter.stage

        return self._thread.run(ask)

    @property
    def result(self) -> Result:
        """The result so far; its outcome is inconclusive before a verdict."""

        async def ask() -> Result:
            return self._live.result()

        return self._thread.run(ask)

    def screen_text(self) -> str:
        """Return the text on the screen now, safe to print; "" if no text can be read.

        Takes milliseconds on a text console, seconds on any other screen.
        """

        async def ask() -> str:
            return "\n".join((await read_screen_now(self._live.run.machine)).lines)

        return self._thread.run(ask)

    def screenshot(self, path: str | Path) -> Path:
        """Write the screen to ``path`` as a PNG; return the absolute path.

        Raises UsageError if it cannot be written.
        """
        file = Path(path).absolute()
        self.qmp("screendump", filename=str(file), format="png")
        return file

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Run ``command`` of QEMU's monitor; return the answer. Raises UsageError if refused."""
        return self._thread.run(lambda: self._live.command(command, arguments))

    def power_button(self) -> None:
        """Press the power button; the guest decides what follows."""
        self.qmp("system_powerdown")

    def reset(self) -> None:
        """Press the reset button. Stages that were reached stay reached: wait for serial text."""
        self.qmp("system_reset")

    @property
    def ssh_command(self) -> list[str]:
        """The command line of OpenSSH's client that logs in as root; a command may follow.

        The key is in the guest once its cloud-init has used the seed.
        """
        network = self.network
        return ssh_command(self._live.key_file, network.host, network.port)

    def ssh(self, command: str, timeout_s: float = 60.0) -> CommandOutput:
        """Run ``command`` in the guest as root; return its status, stdout and stderr.

        Tries to log in until the guest accepts the key. Raises TimeoutError after ``timeout_s``
        seconds, ConnectionError if the connection ends before the command.
        """
        network = self.network
        return self._thread.run(
            lambda: run_command(self._live.key_file, network.host, network.port, command, timeout_s)
        )
