"""The machine of a console, and the actions on it. Belongs to one event loop."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.console.actions import ACTIONS, swap_of
from harness.console.controls import MachineControls
from harness.console.tap import Listener, SerialTap
from harness.console.view import View
from harness.diagnose.change import Change
from harness.diagnose.diagnosis import Diagnosis, diagnose_each
from harness.errors import FaultError, HostError, StateError, UsageError
from harness.evidence.events import PersonAction, PersonAnswer, PersonRefusal, PersonTyping
from harness.evidence.guest_text import printable
from harness.evidence.log import Observation, read_evidence
from harness.machine.acceleration import Acceleration
from harness.observe.screen import dump_screen, read_console_now
from harness.screen.recognized_text import RecognizedText
from harness.seed.seed import new_mac
from harness.session.live import LiveSession, running_session
from harness.trial.boot import BootVariant
from harness.trial.recorder import Listener as EventListener
from harness.trial.request import Case
from harness.trial.result import EVIDENCE_FILE, Result

_TEXT_CHARS = 400


@dataclass(slots=True)
class _RunningBoot:
    """A machine that is on, and the task that keeps it until ``leave`` is set."""

    live_run: LiveSession
    controls: MachineControls
    leave: asyncio.Event
    task: asyncio.Task[None]


class Station:
    """The machines of one console, one after the other, as a single one for its watchers.

    ``view`` is their display, ``case`` the requested case, ``folder`` its run folder.
    """

    can_be_touched = True

    def __init__(self, case: Case, acceleration: Acceleration, *, vnc: bool) -> None:
        self.case = case
        self.folder = case.folder
        self.view = View()
        self._acceleration = acceleration
        self._vnc = vnc
        self._mac = new_mac(case.profile.machine.mac_prefix.value)
        # Known to the guest and to the person who asks; it is in no record.
        self._root_password = secrets.token_hex(4)
        self._tap = SerialTap()
        self._watchers: list[EventListener] = []
        self._folders: list[Path] = []
        self._boot: _RunningBoot | None = None
        self._busy = asyncio.Lock()

    # Watching

    def watch(self, watcher: EventListener) -> Callable[[], None]:
        """Call ``watcher`` for past and future observations; the returned function ends that."""
        for folder in self._folders:
            for observation, diagnosis in diagnose_each(read_evidence(folder / EVIDENCE_FILE)):
                watcher(observation, diagnosis)
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def watch_serial(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with the serial bytes: the last 256 KiB, then each new chunk."""
        return self._tap.watch(listener)

    def _tell(self, observation: Observation, diagnosis: Diagnosis) -> None:
        self.view.take(observation, diagnosis)
        for watcher in list(self._watchers):
            watcher(observation, diagnosis)

    @property
    def live_run(self) -> LiveSession:
        """The machine that is on; raises StateError if missing."""
        if self._boot is None:
            raise StateError("There is no machine at this moment.")
        return self._boot.live_run

    @property
    def folder_now(self) -> Path:
        """The run folder of the machine that is on."""
        return self.live_run.folder

    @property
    def vnc_socket(self) -> Path | None:
        """The socket of the screen; None if it was not requested, or no machine is on."""
        return self._boot.live_run.run.machine.endpoints.vnc_socket if self._boot else None

    def now_s(self) -> float:
        """Return the seconds since power-on."""
        return self._boot.live_run.recorder.log.now_s() if self._boot else self.view.now_s

    def result(self) -> Result:
        """Return the result so far of the machine that is on."""
        return self.live_run.result()

    async def decided(self) -> None:
        """Wait for the verdict of the machine that is on."""
        await self.live_run.recorder.decided.wait()

    async def read_screen(self) -> RecognizedText:
        """Return the text on the screen now; ``how`` is ``none`` if it is not a text console."""
        return await read_console_now(self.live_run.run.machine)

    async def read_picture(self) -> bytes:
        """Return the screen now, as a PPM; b"" if missing."""
        return await dump_screen(self.live_run.run.machine)

    # Touching

    def type(self, keys: bytes) -> None:
        """Type ``keys`` on the serial line; only their number is recorded."""
        live = self.live_run
        live.run.line.send(keys)
        live.recorder.answers_prompts = False
        live.recorder.log.record(PersonTyping(len(keys)))

    async def do(self, name: str, **arguments: str) -> str:
        """Perform the action ``name``, and return its effect in one sentence.

        Raises UsageError for an unknown action, StateError if it cannot be done. Actions run one
        after the other.
        """
        action = next((row for row in ACTIONS if row.name == name), None)
        if action is None or set(arguments) != set(action.arguments):
            raise UsageError(f"{printable(name, 40)!r}: is no action, or lacks what it needs.")
        async with self._busy:
            if name == "swap":
                return await self._swap(**arguments)
            return await self._by_hand(name, arguments)

    async def _by_hand(self, name: str, arguments: dict[str, str]) -> str:
        if self._boot is None or self.live_run.run.machine.has_ended:
            raise StateError("QEMU has ended: swap something, and another machine boots.")
        live, log = self.live_run, self.live_run.recorder.log
        if name in ("send-key", "ctrl-alt-del"):
            live.recorder.answers_prompts = False
        log.record(PersonAction(name, printable(" ".join(arguments.values()), _TEXT_CHARS)))
        try:
            effect = await self._boot.controls.actions[name](**arguments)
        except (UsageError, StateError, HostError) as error:
            log.record(PersonRefusal(printable(str(error), _TEXT_CHARS)))
            raise StateError(printable(str(error), _TEXT_CHARS)) from error
        if name == "qmp":
            log.record(PersonAnswer(printable(effect, _TEXT_CHARS)))
        return effect

    async def _swap(self, what: str, value: str) -> str:
        change = swap_of(what, value, self.case.profile.machine)
        if self._boot:
            self._boot.live_run.recorder.log.record(PersonAction("swap", f"{what} {value}"))
        await self.switch_off()
        case = replace(
            self.case,
            run_dir=self.case.folder / f"swap-{len(self._folders)}",
            profile=self.case.profile.with_firmware(change.firmware if change else None),
            counterfactual=False,
        )
        try:
            await self.switch_on(case, change)
        except FaultError as error:
            raise StateError(printable(str(error), _TEXT_CHARS)) from error
        return f"Another machine boots, with {change.name}." if change else "It boots once more."

    # The machine itself

    async def switch_on(self, case: Case, change: Change | None = None) -> None:
        """Boot a machine. Raises HostError if this host cannot, UsageError for a taken folder."""
        variant = BootVariant(
            mac=self._mac,
            change=change,
            root_password=self._root_password,
            on_serial=self._tap.feed,
            vnc=self._vnc,
        )
        up: asyncio.Future[LiveSession] = asyncio.get_running_loop().create_future()
        leave = asyncio.Event()
        self._tap.clear()
        task = asyncio.create_task(self._hold(case, variant, up, leave))
        try:
            live = await up
        except BaseException:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        finally:
            if (case.folder / EVIDENCE_FILE).exists():
                self._folders.append(case.folder)
        self._boot = _RunningBoot(live, MachineControls(live), leave, task)

    async def _hold(
        self,
        case: Case,
        variant: BootVariant,
        up: asyncio.Future[LiveSession],
        leave: asyncio.Event,
    ) -> None:
        """Keep the machine until ``leave`` is set; its context is entered and left in one task."""
        try:
            async with running_session(case, self._acceleration, variant, self._tell) as held:
                up.set_result(held)
                await leave.wait()
        except Exception as error:
            if up.done():
                raise
            up.set_exception(error)

    async def switch_off(self) -> None:
        """End the machine that is on; its result is written to its folder."""
        if self._boot is None:
            return
        boot, self._boot = self._boot, None
        boot.leave.set()
        await boot.task


@asynccontextmanager
async def open_station(
    case: Case, acceleration: Acceleration, *, vnc: bool = False
) -> AsyncIterator[Station]:
    """Switch on the machine of ``case``; it and any machine that replaced it are ended afterwards.

    With ``vnc`` its screen is served at a socket that only this user can reach. Raises HostError
    if this host cannot run it, UsageError if the run folder is taken.
    """
    station = Station(case, acceleration, vnc=vnc)
    await station.switch_on(case)
    try:
        yield station
    finally:
        await station.switch_off()
