"""The machine of a session, for people: every call waits until it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qemu.qmp import ExecuteError

from harness.errors import HostError, UsageError
from harness.machine.acceleration import Acceleration
from harness.model.stages import Stage
from harness.observe.screen import read_screen_now, take_screenshot
from harness.observe.ssh import CommandOutput, new_key, run_command, ssh_command
from harness.seed.seed import new_mac
from harness.session.follow import Follow
from harness.session.loop import LoopThread
from harness.session.serial import Serial, SerialReader
from harness.trial.boot import BootVariant, RunningMachine, running_machine
from harness.trial.recorder import Listener, Recorder, open_log, unheard
from harness.trial.request import Case
from harness.trial.result import LAST_SCREEN_FILE, Result, compose


@dataclass(frozen=True, slots=True)
class Network:
    """Where the guest is: its ``address`` and ``mac``, and the way to its port 22 from this host.

    A connection to ``host`` and ``port`` always succeeds: only what comes back is of the guest.
    """

    address: str
    mac: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Live:
    """What belongs to a session while it runs; all but ``network`` is for its loop alone."""

    run: RunningMachine
    recorder: Recorder
    follow: Follow
    serial: SerialReader
    network: Network
    key_file: Path
    folder: Path

    async def command(self, name: str, arguments: dict[str, Any]) -> Any:
        """The answer of a QMP command; raises UsageError where QEMU refuses it."""
        try:
            return await self.run.machine.command(name, **arguments)
        except ExecuteError as error:
            raise UsageError(f"QEMU refuses {name}: {error}") from error

    def result(self) -> Result:
        """The result so far: inconclusive where nothing is decided."""
        diagnosis = self.recorder.diagnosis
        tracker = diagnosis.tracker
        return compose(tracker.start, tracker, diagnosis.judge.current_verdict(), self.folder)


@asynccontextmanager
async def live(
    case: Case,
    acceleration: Acceleration,
    variant: BootVariant | None = None,
    listener: Listener = unheard,
) -> AsyncIterator[Live]:
    """The machine of ``case``, switched on; recorded and running until the block is left.

    ``variant`` is what else is special about it, ``listener`` who else is told. The run folder has
    its result then: that of the verdict, else that the session was left before.
    """
    key = new_key()
    variant = variant or BootVariant(mac=new_mac(case.profile.machine.mac_prefix.value))
    variant = replace(variant, authorized_key=key.public)
    with open_log(case.folder) as log:
        recorder = Recorder(log, listener)
        follow = Follow(recorder.diagnosis, case.image.medium)
        recorder.listen(follow)
        try:
            async with running_machine(case, acceleration, recorder, variant) as run:
                key.write(run.scratch / "id_ed25519")
                serial = SerialReader(case.folder / "serial.log", run.line, follow, run.machine)
                network = Network(
                    str(run.seed.network.guest), run.seed.mac, *(await run.machine.knock_address())
                )
                key_file = run.scratch / "id_ed25519"
                try:
                    yield Live(run, recorder, follow, serial, network, key_file, case.folder)
                finally:
                    serial.close()
                    await _end(recorder, run, case.folder)
        finally:
            if recorder.diagnosis.verdict:
                recorder.write_result(case.folder)


async def _end(recorder: Recorder, run: RunningMachine, folder: Path) -> None:
    if not run.machine.has_ended:
        with suppress(HostError):
            await take_screenshot(recorder.log, run.machine, folder, LAST_SCREEN_FILE)
    if not recorder.decided.is_set():
        recorder.fault("host.interrupted", "The session was left before anything was decided.")


class LiveMachine:
    """A machine that runs, and all that is recorded of it. Its calls may come from any thread.

    Once its session is over, they raise SessionOverError; HostError where QEMU does not answer.
    """

    def __init__(self, thread: LoopThread[Live], held: Live) -> None:
        self._thread = thread
        self._live = held
        self.run_dir = held.folder
        """The run folder: evidence, console logs, screenshots; ``result.json`` after the end."""
        self.network = held.network
        self.serial = Serial(thread, held.serial)

    def wait_for_stage(self, stage: Stage = "network", timeout_s: float | None = None) -> None:
        """Wait until ``stage``, or a later one, is reached.

        Raises StageError with the sentence of the diagnosis as soon as that has decided otherwise,
        which it does without ``timeout_s``, too; StageTimeoutError after that many seconds.
        """
        self._thread.run(lambda: self._live.follow.reach(stage, timeout_s))

    @property
    def stage(self) -> Stage:
        """The furthest stage that was reached since the session began."""

        async def ask() -> Stage:
            return self._live.follow.stage

        return self._thread.run(ask)

    @property
    def result(self) -> Result:
        """The result so far; its outcome is inconclusive as long as nothing is decided."""

        async def ask() -> Result:
            return self._live.result()

        return self._thread.run(ask)

    def screen_text(self) -> str:
        """What is on the screen now, safe to print; "" where nothing on it can be read.

        Milliseconds on a text console, seconds on anything else.
        """

        async def ask() -> str:
            return "\n".join((await read_screen_now(self._live.run.machine)).lines)

        return self._thread.run(ask)

    def screenshot(self, path: str | Path) -> Path:
        """Write the screen to ``path`` as a PNG; its whole path. Raises UsageError otherwise."""
        file = Path(path).absolute()
        self.qmp("screendump", filename=str(file), format="png")
        return file

    def qmp(self, command: str, **arguments: Any) -> Any:
        """The answer of QEMU's monitor to ``command``. Raises UsageError where it refuses."""
        return self._thread.run(lambda: self._live.command(command, arguments))

    def power_button(self) -> None:
        """Press it; what follows is the guest's decision."""
        self.qmp("system_powerdown")

    def reset(self) -> None:
        """Press the reset button. Stages that were reached stay so: wait for the serial line."""
        self.qmp("system_reset")

    @property
    def ssh_command(self) -> list[str]:
        """The words that log in as root with the client of OpenSSH; a command may follow them.

        The key is in the guest where its cloud-init has used the seed.
        """
        network = self.network
        return ssh_command(self._live.key_file, network.host, network.port)

    def ssh(self, command: str, timeout_s: float = 60.0) -> CommandOutput:
        """Status, stdout and stderr of ``command``, run in the guest as root.

        Tries until the guest lets it in. Raises TimeoutError after ``timeout_s`` seconds,
        ConnectionError where the connection ends before the command.
        """
        network = self.network
        return self._thread.run(
            lambda: run_command(self._live.key_file, network.host, network.port, command, timeout_s)
        )
