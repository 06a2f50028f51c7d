"""The tracker: folds the events of a run into what is known of it, and never ends.

It holds no goal and says no verdict; :mod:`harness.diagnose.judge` does. Whoever wants to know how
far a guest has come reads the tracker of its run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from harness.diagnose.held import HeldFinding, HeldFindings
from harness.diagnose.last_words import LastWords
from harness.diagnose.machine_state import IPV6_TAKEN, MachineState
from harness.diagnose.rules import Channel, Match, RuleBook, parse_rules, shipped_rules
from harness.diagnose.updates import (
    EventTaken,
    FailureMatch,
    MachineRestart,
    RuleMatch,
    StageReached,
    Update,
    Watcher,
)
from harness.evidence import events
from harness.evidence.codec import Observation
from harness.evidence.guest_text import printable
from harness.evidence.handlers import EventHandlers
from harness.model.finding import Finding, finding
from harness.model.image import Medium
from harness.model.stages import ISO_LADDER, Stage, Timeline, rank
from harness.screen.bugcheck import read_bugcheck

LEAST_INSTALLED_BYTES = 1 << 20
"""The smallest systems that are installed are some times this large."""

_ANSWERS = frozenset({"arp-reply", "tcp-syn-ack", "tcp-reset", "tcp"})
# What an installation shows of the ISO itself; the rest of its stages the ISO's own boot has.
_STAGES_OF_PARTS = ("network", "installed")

handlers = EventHandlers["Tracker"]()
"""Which event a tracker takes how; all others are for people to read."""


class Tracker:
    """All that the events of a run, taken in order, make known."""

    def __init__(self, rules: RuleBook | None = None) -> None:
        self.rules = rules or shipped_rules()
        self.start: events.RunStart | None = None
        """The first event of the run; None before it."""
        self.now_s = 0.0
        """Seconds since power-on of the last event."""
        self.timeline = Timeline()
        """The stages of the whole run."""
        self.climb = Timeline()
        """The stages since the machine was switched on, or reset by a person at a console."""
        self.state = MachineState()
        """The machine since it last started over."""
        self.findings: list[Finding] = []
        """The findings of the checks, and those of the boot that decide nothing by themselves."""
        self.sha256: str | None = None
        """The digest of the image; None before the file was read."""
        self.second_boot: events.SecondBootResult | None = None
        """The result of the boot with one thing changed; None where there was none."""
        self.login: events.SshLogin | None = None
        """What the guest says of itself to who logs in; None where nobody has."""
        self.held = HeldFindings()
        self.words = LastWords()
        self.silence: Match | None = None
        """The rule that explains the silence at this moment; None where nothing is silent."""
        self.restarts = 0
        self.has_called_home = False
        self.has_finished = False
        """Whether cloud-init has said that it ended."""
        self._is_locked_out = False
        self._serial_offset = -1
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Send every update to ``watcher`` from now on."""
        self._watchers.append(watcher)

    def feed(self, observation: Observation) -> None:
        """Take the next event."""
        self.now_s = observation.t_s
        handlers.handle(self, observation.event)
        self._send(EventTaken(observation.event))

    def _send(self, update: Update) -> None:
        for watcher in self._watchers:
            watcher(update)

    # For whoever looks at it

    @property
    def medium(self) -> Medium:
        """The medium under test; a disk before the run has started."""
        return self.start.medium if self.start else "disk"

    @property
    def seed(self) -> events.SeedRecord:
        """The data that the guest was given."""
        return self.start.seed if self.start else events.SeedRecord()

    @property
    def stage(self) -> Stage | None:
        """The furthest stage of the run; None where nothing was switched on."""
        return self.timeline.furthest if self.timeline.reached_s else None

    @property
    def has_come_up(self) -> bool:
        """Whether a disk image has reached the network: what still goes wrong fails no boot."""
        return self.medium == "disk" and self.reached("network")

    def reached(self, stage: Stage) -> bool:
        """Tell whether the run has come as far as ``stage``."""
        return bool(self.timeline.reached_s) and rank(self.timeline.furthest) >= rank(stage)

    def last_words(self) -> tuple[str, ...]:
        """Return the last lines of the console; of an ISO's screen where the console is mute."""
        return self.words.of_console(or_screen=self.medium == "iso")

    # Stages and restarts

    def _reach(self, stage: Stage) -> None:
        if self.medium == "iso" and stage not in ISO_LADDER:
            return
        self.state.timeline.reach(stage, self.now_s)
        self.climb.reach(stage, self.now_s)
        self.held.reach(stage)
        is_furthest = self.timeline.reach(stage, self.now_s)
        self._send(StageReached(stage, is_furthest))
        if stage == "installer" and self.state.frames:
            self._reach("network")

    def _restart(self) -> None:
        if self.restarts and not self.state.reached("bootloader"):
            # One reboot may reset the machine several times before its firmware hands over.
            return
        self.restarts += 1
        same_failure = self.held.restart(self.state)
        self.state = self.state.restarted()
        self._send(MachineRestart(same_failure))

    # Text

    def _take_text(self, channel: Channel, text: str, *, again: bool = False) -> None:
        """Hold ``text`` against the rules; ``again``: a part of it was seen before."""
        for match in self.rules.matches(channel, text, self.state):
            rule = match.rule
            self._send(RuleMatch(channel, match))
            if rule.restart and not again:
                self._restart()
            if rule.sign:
                self.state.signs.add(rule.sign)
            if rule.sign or rule.quoted:
                self.state.facts.update((name, value) for name, value in match.groups if value)
            if rule.stage:
                self._reach(rule.stage)
            if rule.finding:
                self._take_failure(match, channel)

    def _take_failure(self, match: Match, channel: Channel) -> None:
        evidence = self.words.of(channel)
        row = HeldFinding(match, evidence, self.state.timeline.furthest, match.rule.decisive)
        joined = self.held.first_of(row)
        self.held.add(row)
        self._send(FailureMatch(joined, match.rule.decisive))

    def _take_seed_errors(self, errors: Iterable[str]) -> None:
        statement = "cloud-init used the seed and ended with errors."
        self.findings.append(finding("seed.failed", statement, tuple(map(printable, errors))))

    # The events of a run

    @handlers.on(events.RunStart)
    def _on_start(self, event: events.RunStart) -> None:
        self.start = event
        self.state = MachineState(
            firmware=event.firmware, medium=event.medium, known=frozenset(event.known)
        ).restarted()

    @handlers.on(events.OwnRules)
    def _on_rules(self, event: events.OwnRules) -> None:
        self.rules = self.rules.with_own(parse_rules(event.text, event.location))

    @handlers.on(events.CheckFinding)
    def _on_finding(self, event: events.CheckFinding) -> None:
        self.findings.append(event.finding)

    @handlers.on(events.PowerOn)
    def _on_power_on(self, _: events.PowerOn) -> None:
        self._reach("power-on")

    @handlers.on(events.PartResult)
    def _on_part(self, event: events.PartResult) -> None:
        """The installation, or the first boot of what it has installed, is over."""
        for stage, at_s in event.stages_s.items():
            if stage in _STAGES_OF_PARTS and (self.medium == "disk" or stage in ISO_LADDER):
                for ladder in (self.timeline, self.climb):
                    ladder.reach(stage, event.started_s + at_s)
        if event.outcome == "pass":
            self._reach(event.reaches)
            return
        known = {row.id for row in self.findings}
        self.findings += [
            row for row in event.findings if row.id not in known or row.id == event.cause
        ]

    @handlers.on(events.ImageDigest)
    def _on_digest(self, event: events.ImageDigest) -> None:
        self.sha256 = self.sha256 or event.sha256

    @handlers.on(events.SecondBootResult)
    def _on_second_boot(self, event: events.SecondBootResult) -> None:
        self.second_boot = self.second_boot or event

    @handlers.on(events.PersonAction)
    def _on_person(self, event: events.PersonAction) -> None:
        """A person starts the machine over: what it did before says nothing of it any more."""
        if event.action == "reset":
            self.state = self.state.restarted()
            self.held = HeldFindings()
            self.climb = Timeline()
            self._reach("power-on")

    # Text and silence

    @handlers.on(events.SerialLine, events.SerialPrompt)
    def _on_serial(self, event: events.ConsoleText) -> None:
        # A rest that was taken for a prompt comes again as a part of its line.
        again = event.offset == self._serial_offset
        self._serial_offset = event.offset
        if again:
            self.words.take_back("serial")
        if self.medium == "iso":
            self.words.say_once("serial", event.text)
        else:
            self.words.say("serial", event.text)
        self._take_text("serial", event.text, again=again)

    @handlers.on(events.FirmwareLine)
    def _on_firmware(self, event: events.FirmwareLine) -> None:
        self.words.say("firmware", event.text)
        self._take_text("firmware", event.text)

    @handlers.on(events.ScreenText)
    def _on_screen(self, event: events.ScreenText) -> None:
        """A screen replaces the one before: its lines are the evidence, up to the decisive one."""
        self.words.show("screen", ())
        for line in event.lines:
            if line.strip():
                self.words.say("screen", line)
                self._take_text("screen", line)
        stop = read_bugcheck(event.lines, event.background)
        if stop:
            self.words.copy("screen", "bugcheck")
            self.state.facts["code"] = stop.code
            self._take_text("bugcheck", f"STOP {stop.code} {stop.name}".strip())

    @handlers.on(events.Quiet)
    def _on_quiet(self, event: events.Quiet) -> None:
        self.silence = None
        quiet_s = math.inf if event.last else event.reference_s
        if self.has_come_up or self.held.after(quiet_s, self.state):
            return
        self.silence = self.rules.silent(self.state, quiet_s)
        if self.silence:
            self._send(RuleMatch("silence", self.silence))

    # The machine

    @handlers.on(events.QmpEvent)
    def _on_qmp_event(self, event: events.QmpEvent) -> None:
        if not event.detail.get("guest"):
            return
        if event.name == "RESET":
            self._restart()
        elif event.name == "SHUTDOWN" and self._is_installed:
            self._reach("installed")

    @property
    def _is_installed(self) -> bool:
        """Whether a guest that powers off now has ended an installation."""
        return (
            self.start is not None
            and self.start.until == "installed"
            and self.state.written_bytes >= LEAST_INSTALLED_BYTES
            and self.held.strongest(self.state) is None
        )

    @handlers.on(events.DiskReads)
    def _on_reads(self, event: events.DiskReads) -> None:
        self.state.take_disk_reads(event.read_bytes)

    @handlers.on(events.DiskWrites)
    def _on_writes(self, event: events.DiskWrites) -> None:
        self.state.written_bytes = event.written_bytes

    @handlers.on(events.CpuModeChange)
    def _on_cpu_mode(self, event: events.CpuModeChange) -> None:
        if self.state.firmware == "uefi":
            self._on_cpu_mode_under_uefi(event)
            return
        self.state.cpu_mode = event.mode
        if self.state.kernel_runs:
            self._on_kernel_mode(event)

    def _on_cpu_mode_under_uefi(self, event: events.CpuModeChange) -> None:
        """UEFI and what it starts are in long mode, too; a kernel has its table in the upper half.

        As long as there is none, the mode says no more than that the firmware runs.
        """
        if event.mode != "real":
            self._reach("firmware")
        if event.mode == "long" and event.interrupt_table == "high":
            self.state.cpu_mode = "long"
            self._on_kernel_mode(event)

    def _on_kernel_mode(self, event: events.CpuModeChange) -> None:
        known = event.disk_read_bytes
        self.state.take_kernel_reads(self.state.read_bytes if known is None else known)
        self._reach("kernel")

    # The network

    @handlers.on(events.Frame)
    def _on_frame(self, event: events.Frame) -> None:
        self.state.take_frame(event.what, event.source)
        address_v6 = event.target if event.what == "ipv6-probe" else event.source
        if address_v6 and address_v6 == self.seed.address_v6:
            self.state.signs.add(IPV6_TAKEN)
        if self.medium == "iso":
            self._on_nic_used()
        elif (
            event.what in _ANSWERS
            and event.source == self.seed.address
            and event.mac == self.seed.mac
        ):
            self._reach("network")

    def _on_nic_used(self) -> None:
        """A frame of what an ISO started: of its installer, where one is known to be on it."""
        if self.reached("installer") or "no-installer" in self.state.known:
            self._reach("network")

    @handlers.on(events.Banner)
    def _on_banner(self, _: events.Banner) -> None:
        if self.medium == "disk":
            self._reach("network")

    @handlers.on(events.Call)
    def _on_call(self, event: events.Call) -> None:
        if event.path == self.seed.phone_home_path:
            self.has_called_home = True
            self._reach("network")
            self._reach("seed")
        elif event.path == self.seed.ready_path:
            self._reach("network")
            self._on_ready(event.fields)

    def _on_ready(self, fields: Mapping[str, str]) -> None:
        errors = fields.get("errors", "[]")
        if errors != "[]":
            self._take_seed_errors([errors])
        self._reach("seed")
        self.has_finished = True
        if not self.seed.login or self._is_locked_out:
            self._reach("ready")

    @handlers.on(events.SshLogin)
    def _on_login(self, event: events.SshLogin) -> None:
        """The guest let harness in with the key of the seed, and cloud-init has ended."""
        self.login = self.login or event
        self._reach("network")
        errors = event.cloud_init.errors
        if errors and not self.has_finished:
            self._take_seed_errors(errors)
        self._reach("seed")
        self._reach("ready")

    @handlers.on(events.SshFailure)
    def _on_locked_out(self, event: events.SshFailure) -> None:
        self._is_locked_out = True
        statement = f"Nobody is let in by the key that the seed gives: {event.reason}."
        self.findings.append(finding("seed.key-refused", statement.replace("..", ".")))
        if self.has_finished:
            self._reach("ready")
