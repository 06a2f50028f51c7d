"""The machine of a console, and what a person may do to it. Belongs to one event loop."""

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
from harness.session.live import Live, live
from harness.trial.boot import BootVariant
from harness.trial.recorder import Listener as EventListener
from harness.trial.request import Case
from harness.trial.result import EVIDENCE_FILE, Result

_SAID_CHARS = 400


@dataclass(slots=True)
class _RunningBoot:
    """A machine that is on, and the task that holds it until it is to be left."""

    held: Live
    controls: MachineControls
    leave: asyncio.Event
    task: asyncio.Task[None]


class Station:
    """Who watches is told of one machine after the other, as if they were one.

    ``view`` is what they show, ``case`` the one that was asked for, ``folder`` its run folder.
    """

    can_be_touched = True

    def __init__(self, case: Case, acceleration: Acceleration, *, vnc: bool) -> None:
        self.case = case
        self.folder = case.folder
        self.view = View()
        self._acceleration = acceleration
        self._vnc = vnc
        self._mac = new_mac(case.profile.machine.mac_prefix.value)
        # Nobody but the guest is told, and who asks: it is in no record.
        self._root_password = secrets.token_hex(4)
        self._tap = SerialTap()
        self._watchers: list[EventListener] = []
        self._folders: list[Path] = []
        self._boot: _RunningBoot | None = None
        self._busy = asyncio.Lock()

    # Watching

    def watch(self, watcher: EventListener) -> Callable[[], None]:
        """Tell ``watcher`` all that was and will be seen; what is given back ends that."""
        for folder in self._folders:
            for observation, diagnosis in diagnose_each(read_evidence(folder / EVIDENCE_FILE)):
                watcher(observation, diagnosis)
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def watch_serial(self, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` the bytes of the serial line: the last 256 KiB, then what comes."""
        return self._tap.watch(listener)

    def _tell(self, observation: Observation, diagnosis: Diagnosis) -> None:
        self.view.take(observation, diagnosis)
        for watcher in list(self._watchers):
            watcher(observation, diagnosis)

    @property
    def live_run(self) -> Live:
        """The machine that is on; raises StateError where there is none."""
        if self._boot is None:
            raise StateError("There is no machine at this moment.")
        return self._boot.held

    @property
    def folder_now(self) -> Path:
        """The run folder of the machine that is on."""
        return self.live_run.folder

    @property
    def vnc_socket(self) -> Path | None:
        """Where the screen is served; None where that was not asked for, or no machine is on."""
        return self._boot.held.run.machine.endpoints.vnc_socket if self._boot else None

    def now_s(self) -> float:
        """Seconds since the machine was switched on."""
        return self._boot.held.recorder.log.now_s() if self._boot else self.view.now_s

    def result(self) -> Result:
        """The result so far of the machine that is on."""
        return self.live_run.result()

    async def decided(self) -> None:
        """Wait for the verdict of the machine that is on."""
        await self.live_run.recorder.decided.wait()

    async def read_screen(self) -> RecognizedText:
        """What a console on the screen says now; ``how`` is ``none`` where it is no console."""
        return await read_console_now(self.live_run.run.machine)

    async def read_picture(self) -> bytes:
        """The screen now, as a PPM; nothing where there is none."""
        return await dump_screen(self.live_run.run.machine)

    # Touching

    def type(self, keys: bytes) -> None:
        """Type ``keys`` on the serial line; how many is recorded, and not which."""
        held = self.live_run
        held.run.line.send(keys)
        held.recorder.answers_prompts = False
        held.recorder.log.record(PersonTyping(len(keys)))

    async def do(self, name: str, **arguments: str) -> str:
        """Do what the table of actions calls ``name``; what came of it, in one sentence.

        Raises UsageError for what is no action, StateError where it cannot be done. One is done
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
        held, log = self.live_run, self.live_run.recorder.log
        if name in ("send-key", "ctrl-alt-del"):
            held.recorder.answers_prompts = False
        log.record(PersonAction(name, printable(" ".join(arguments.values()), _SAID_CHARS)))
        try:
            said = await self._boot.controls.does[name](**arguments)
        except (UsageError, StateError, HostError) as error:
            log.record(PersonRefusal(printable(str(error), _SAID_CHARS)))
            raise StateError(printable(str(error), _SAID_CHARS)) from error
        if name == "qmp":
            log.record(PersonAnswer(printable(said, _SAID_CHARS)))
        return said

    async def _swap(self, what: str, value: str) -> str:
        change = swap_of(what, value, self.case.profile.machine)
        if self._boot:
            self._boot.held.recorder.log.record(PersonAction("swap", f"{what} {value}"))
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
            raise StateError(printable(str(error), _SAID_CHARS)) from error
        return f"Another machine boots, with {change.name}." if change else "It boots once more."

    # The machine itself

    async def switch_on(self, case: Case, change: Change | None = None) -> None:
        """Boot a machine. Raises HostError where this host cannot, UsageError for its folder."""
        variant = BootVariant(
            mac=self._mac,
            change=change,
            root_password=self._root_password,
            on_serial=self._tap.feed,
            vnc=self._vnc,
        )
        up: asyncio.Future[Live] = asyncio.get_running_loop().create_future()
        leave = asyncio.Event()
        self._tap.clear()
        task = asyncio.create_task(self._hold(case, variant, up, leave))
        try:
            held = await up
        except BaseException:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        finally:
            if (case.folder / EVIDENCE_FILE).exists():
                self._folders.append(case.folder)
        self._boot = _RunningBoot(held, MachineControls(held), leave, task)

    async def _hold(
        self, case: Case, variant: BootVariant, up: asyncio.Future[Live], leave: asyncio.Event
    ) -> None:
        """Keep the machine: entered and left in one task."""
        try:
            async with live(case, self._acceleration, variant, self._tell) as held:
                up.set_result(held)
                await leave.wait()
        except Exception as error:
            if up.done():
                raise
            up.set_exception(error)

    async def switch_off(self) -> None:
        """End the machine that is on; its result is in its folder then."""
        if self._boot is None:
            return
        boot, self._boot = self._boot, None
        boot.leave.set()
        await boot.task


@asynccontextmanager
async def open_station(
    case: Case, acceleration: Acceleration, *, vnc: bool = False
) -> AsyncIterator[Station]:
    """The machine of ``case``, switched on; whatever runs in its place is gone at the end.

    With ``vnc`` its screen is served at a socket that only this user can reach. Raises HostError
    where this host cannot run it, UsageError where the run folder is taken.
    """
    station = Station(case, acceleration, vnc=vnc)
    await station.switch_on(case)
    try:
        yield station
    finally:
        await station.switch_off()
