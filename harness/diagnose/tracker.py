"""The tracker: folds the events of a run into its state, and never ends.

It has no goal and gives no verdict; :mod:`harness.diagnose.judge` does. The stage that a guest has
reached is read from the tracker of its run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from harness.diagnose.last_lines import LastLines
from harness.diagnose.machine_state import IPV6_TAKEN, MachineState
from harness.diagnose.pending import PendingFinding, PendingFindings
from harness.diagnose.rules import Channel, Match, RuleBook, parse_rules, shipped_rules
from harness.diagnose.updates import (
    EventUpdate,
    FailureUpdate,
    RestartUpdate,
    RuleUpdate,
    StageUpdate,
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
"""The least that an installation writes: even the smallest systems are several times larger."""

_ANSWERS = frozenset({"arp-reply", "tcp-syn-ack", "tcp-reset", "tcp"})
# The stages that an installation proves for the ISO; its other stages come from the ISO's own boot.
_STAGES_OF_PARTS = ("network", "installed")

handlers = EventHandlers["Tracker"]()
"""The events that a tracker takes, and how; all others are for people to read."""


class Tracker:
    """The state of a run: all that its events, taken in order, have shown."""

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
        """The state of the machine since its last restart."""
        self.findings: list[Finding] = []
        """The findings of the checks, and the findings of the boot that do not decide."""
        self.sha256: str | None = None
        """The digest of the image; None before the file was read."""
        self.second_boot: events.SecondBootResult | None = None
        """The result of the boot with one thing changed; None without such a boot."""
        self.login: events.SshLogin | None = None
        """The answers of the guest after a login; None without one."""
        self.pending = PendingFindings()
        self.lines = LastLines()
        self.silence: Match | None = None
        """The rule that explains the silence at this moment; None without silence."""
        self.restarts = 0
        self.has_called_home = False
        self.has_finished = False
        """True once cloud-init has reported its end."""
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
        self._send(EventUpdate(observation.event))

    def _send(self, update: Update) -> None:
        for watcher in self._watchers:
            watcher(update)

    # The state

    @property
    def medium(self) -> Medium:
        """The medium under test; a disk before the start of the run."""
        return self.start.medium if self.start else "disk"

    @property
    def seed(self) -> events.SeedRecord:
        """The data that the guest was given."""
        return self.start.seed if self.start else events.SeedRecord()

    @property
    def stage(self) -> Stage | None:
        """The furthest stage of the run; None before power-on."""
        return self.timeline.furthest if self.timeline.reached_s else None

    @property
    def has_come_up(self) -> bool:
        """True once a disk image has reached the network: no later failure counts."""
        return self.medium == "disk" and self.reached("network")

    def reached(self, stage: Stage) -> bool:
        """Tell whether the run has reached ``stage``."""
        return bool(self.timeline.reached_s) and rank(self.timeline.furthest) >= rank(stage)

    def console_lines(self) -> tuple[str, ...]:
        """Return the last lines of the console; of an ISO's screen if the console is empty."""
        return self.lines.of_console(or_screen=self.medium == "iso")

    # Stages and restarts

    def _reach(self, stage: Stage) -> None:
        if self.medium == "iso" and stage not in ISO_LADDER:
            return
        self.state.timeline.reach(stage, self.now_s)
        self.climb.reach(stage, self.now_s)
        self.pending.reach(stage)
        is_furthest = self.timeline.reach(stage, self.now_s)
        self._send(StageUpdate(stage, is_furthest))
        if stage == "installer" and self.state.frames:
            self._reach("network")

    def _restart(self) -> None:
        if self.restarts and not self.state.reached("bootloader"):
            # One reboot may reset the machine several times before its firmware hands over.
            return
        self.restarts += 1
        same_failure = self.pending.restart(self.state)
        self.state = self.state.restarted()
        self._send(RestartUpdate(same_failure))

    # Text

    def _take_text(self, channel: Channel, text: str, *, again: bool = False) -> None:
        """Match ``text`` with the rules; ``again`` if a part of it was seen before."""
        for match in self.rules.matches(channel, text, self.state):
            rule = match.rule
            self._send(RuleUpdate(channel, match))
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
        evidence = self.lines.of(channel)
        row = PendingFinding(match, evidence, self.state.timeline.furthest, match.rule.decisive)
        joined = self.pending.joined_with_earlier(row)
        self.pending.add(row)
        self._send(FailureUpdate(joined, match.rule.decisive))

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
        self.rules = self.rules.with_user_rules(parse_rules(event.text, event.location))

    @handlers.on(events.CheckFinding)
    def _on_finding(self, event: events.CheckFinding) -> None:
        self.findings.append(event.finding)

    @handlers.on(events.PowerOn)
    def _on_power_on(self, _: events.PowerOn) -> None:
        self._reach("power-on")

    @handlers.on(events.PartResult)
    def _on_part(self, event: events.PartResult) -> None:
        """Take the result of an installation, or of the first boot of the installed system."""
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
        """Forget the boot if a person resets the machine: its earlier events no longer count."""
        if event.action == "reset":
            self.state = self.state.restarted()
            self.pending = PendingFindings()
            self.climb = Timeline()
            self._reach("power-on")

    # Text and silence

    @handlers.on(events.SerialLine, events.SerialPrompt)
    def _on_serial(self, event: events.ConsoleText) -> None:
        # An unfinished line that was taken for a prompt comes again as a part of the whole line.
        again = event.offset == self._serial_offset
        self._serial_offset = event.offset
        if again:
            self.lines.drop_last("serial")
        if self.medium == "iso":
            self.lines.add_distinct("serial", event.text)
        else:
            self.lines.add("serial", event.text)
        self._take_text("serial", event.text, again=again)

    @handlers.on(events.FirmwareLine)
    def _on_firmware(self, event: events.FirmwareLine) -> None:
        self.lines.add("firmware", event.text)
        self._take_text("firmware", event.text)

    @handlers.on(events.ScreenText)
    def _on_screen(self, event: events.ScreenText) -> None:
        """Take a screen in place of the one before: its lines up to the match are the evidence."""
        self.lines.replace("screen", ())
        for line in event.lines:
            if line.strip():
                self.lines.add("screen", line)
                self._take_text("screen", line)
        stop = read_bugcheck(event.lines, event.background)
        if stop:
            self.lines.copy("screen", "bugcheck")
            self.state.facts["code"] = stop.code
            self._take_text("bugcheck", f"STOP {stop.code} {stop.name}".strip())

    @handlers.on(events.Quiet)
    def _on_quiet(self, event: events.Quiet) -> None:
        self.silence = None
        quiet_s = math.inf if event.last else event.reference_s
        if self.has_come_up or self.pending.after(quiet_s, self.state):
            return
        self.silence = self.rules.silence_match(self.state, quiet_s)
        if self.silence:
            self._send(RuleUpdate("silence", self.silence))

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
        """True if a guest that powers off now has finished an installation."""
        return (
            self.start is not None
            and self.start.until == "installed"
            and self.state.written_bytes >= LEAST_INSTALLED_BYTES
            and self.pending.strongest(self.state) is None
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
        """Take a mode under UEFI, where the firmware and boot loaders run in long mode, too.

        A kernel has its interrupt table in the upper half; until then, the mode only proves that
        the firmware runs.
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
        """Take a frame of a booted ISO: of its installer, if the ISO is known to have one."""
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
        """Take a login with the key of the seed, after the end of cloud-init."""
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
