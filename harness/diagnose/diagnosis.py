"""The diagnosis: fed observation by observation, it says the verdict as soon as there is one."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.diagnose.goal import Goal
from harness.diagnose.held import Held, HeldFindings
from harness.diagnose.last_words import LastWords
from harness.diagnose.machine_state import IPV6_TAKEN, MachineState
from harness.diagnose.reasons import reason_from_inspection
from harness.diagnose.rules import (
    Channel,
    Match,
    RuleBook,
    parse_rules,
    rule_finding,
    shipped_rules,
)
from harness.evidence.guest_text import printable
from harness.evidence.log import Observation
from harness.model.finding import INITRAMFS_TOOLS, Finding, finding
from harness.model.hardware import Chipset, DiskBus
from harness.model.outcome import Outcome
from harness.model.stages import Stage, Timeline, rank
from harness.screen.bugcheck import read_bugcheck

_log = logging.getLogger(__name__)

# A machine that was started this often over and never reached the network is in a loop. A
# cloud image may start again once or twice on its own (a relabel, a kernel without its initrd). One
# that ended twice by the same finding is in a loop already.
MAX_RESTARTS = 3

# Findings of inspection that are the cause of a boot that ends in the firmware, the first that is
# there: another processor says more than another firmware.
_SAY_MORE = ("arch.", "firmware.")

_ANSWERS = frozenset({"arp-reply", "tcp-syn-ack", "tcp-reset", "tcp"})
# The smallest systems that are installed are some times this large.
_LEAST_INSTALLED_BYTES = 1 << 20
# strerror(EFBIG): what a write beyond the limit of RLIMIT_FSIZE gets where SIGXFSZ is ignored.
_FILE_TOO_LARGE = "File too large"
_OVER_LIMIT = "The guest wrote more than a run may write here (the file size limit)."
_NIC_USED = " It did use the NIC."
# What an installation shows of the disc itself; the rest of its stages the disc's own boot has.
_STAGES_OF_PARTS = ("network", "installed")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a diagnosis.

    ``findings`` holds those of the checks and those of the boot; ``cause`` is the one that
    decided. ``at_s`` is the moment of the observation that did. ``stage`` is None where nothing was
    booted.
    """

    outcome: Outcome
    stage: Stage | None
    cause: str | None
    findings: tuple[Finding, ...]
    stages_s: Mapping[Stage, float]
    at_s: float


@dataclass(slots=True)
class _Expected:
    """What the run's first observation says that the guest was told."""

    address: str = ""
    address_v6: str = ""
    by_dhcp: bool = False
    mac: str = ""
    phone_home_path: str = ""
    ready_path: str = ""
    login: bool = False
    goal: Goal = Goal()
    strict: bool = False
    tags: tuple[str, ...] = ()
    whole_log: bool = False


@dataclass(slots=True)
class Diagnosis:
    """A judge that never waits: what is not among the observations does not count.

    Feed it every observation in order. Once :attr:`verdict` is there it does not change, but for
    one reason: the image was changed under the run, and then nothing that was seen counts.
    """

    rules: RuleBook = field(default_factory=shipped_rules)
    timeline: Timeline = field(default_factory=Timeline)
    state: MachineState = field(default_factory=MachineState)
    findings: list[Finding] = field(default_factory=list)
    verdict: Verdict | None = None
    drivers: Mapping[str, str] = field(default_factory=dict)
    """Where inspection found each driver; empty where nothing is known."""
    chipset: Chipset = "pc"
    disk_bus: DiskBus = "virtio-scsi"
    """Of the provider's machine."""
    _expected: _Expected = field(default_factory=_Expected)
    _held: HeldFindings = field(default_factory=HeldFindings)
    _words: LastWords = field(default_factory=LastWords)
    _restarts: int = 0
    _serial_offset: int = -1
    _called: bool = False
    _finished: bool = False
    _locked_out: bool = False
    _now_s: float = 0.0

    def feed(self, observation: Observation) -> Verdict | None:
        """Take one observation; the verdict, if this one or an earlier one decided."""
        overrides = (observation.channel, observation.kind) == _OVERRIDING
        if self.verdict is None or overrides:
            self._now_s = observation.t_s
            handler = _HANDLERS.get((observation.channel, observation.kind))
            if handler:
                handler(self, observation.data)
            if self.verdict is None and self._goal.is_met(self.timeline, self.state):
                self._pass()
        return self.verdict

    @property
    def _goal(self) -> Goal:
        return self._expected.goal

    @property
    def _is_over(self) -> bool:
        """Whether nothing that still goes wrong counts."""
        return self._goal.is_decided_by(self.timeline)

    # The run itself

    def _on_start(self, data: Mapping[str, Any]) -> None:
        seed = data["seed"]
        self._expected = _Expected(
            address=seed["address"],
            address_v6=seed.get("address_v6", ""),
            by_dhcp=seed.get("addressing") == "dhcp",
            mac=seed["mac"],
            phone_home_path=seed["phone_home_path"],
            ready_path=seed["ready_path"],
            login=seed.get("login", False),
            goal=Goal(data["until"], data.get("medium", "disk"), bool(seed.get("address_v6"))),
            strict=data["strict"],
            tags=tuple(data.get("tags", ())),
            whole_log=data.get("whole_log", False),
        )
        self.state = MachineState(
            firmware=data.get("firmware", "bios"),
            medium=self._goal.medium,
            known=frozenset(data.get("known", ())),
        ).restarted()
        self.drivers = data.get("drivers", {})
        self.chipset = data.get("chipset", "pc")
        self.disk_bus = data.get("disk_bus", "virtio-scsi")

    def _on_rules(self, data: Mapping[str, Any]) -> None:
        self.rules = self.rules.with_own(parse_rules(data["text"], data["location"]))

    def _on_finding(self, data: Mapping[str, Any]) -> None:
        self.findings.append(Finding.model_validate(data["finding"]))

    def _on_checked(self, _: Mapping[str, Any]) -> None:
        """Nothing is booted: the checks alone decide."""
        error = next((row for row in self.findings if row.severity == "error"), None)
        if error:
            self._end("fail", error.id)
        else:
            self._pass()

    def _on_power_on(self, _: Mapping[str, Any]) -> None:
        self._reach("power-on")

    # Silence

    def _on_quiet(self, data: Mapping[str, Any]) -> None:
        """Nothing has moved for a while: what is known by now may be enough."""
        if self._is_over:
            if data["last"]:
                self._finish_incomplete()
            return
        quiet_s = math.inf if data["last"] else float(data["reference_s"])
        if held := self._held.after(quiet_s, self.state):
            self._fail_by(held.match, held.evidence)
            return
        match = self.rules.silent(self.state, quiet_s)
        if match:
            waited = f"nothing moved for {data['quiet_s']:.0f} s"
            self._fail_by(match, self._last_words(), waited)

    def _on_time_over(self, _: Mapping[str, Any]) -> None:
        """The time is over while the guest was still at work: that proves nothing."""
        if self._is_over:
            self._finish_incomplete()
            return
        if held := self._held.strongest(self.state):
            self._fail_by(held.match, held.evidence)
            return
        waited = f"the time given was over after {self._now_s:.0f} s, and it was still at work"
        match = self.rules.silent(self.state, math.inf)
        if match:
            self.findings.append(self._finding_of(match, self._last_words(), waited))
        self._end("inconclusive", None)

    def _on_console_end(self, _: Mapping[str, Any]) -> None:
        """A console log is over: what it holds is all that there is."""
        if held := self._held.strongest(self.state) or self._held.before:
            self._fail_by(held.match, held.evidence)
        else:
            self._end("inconclusive", None)

    # Text

    def _on_serial(self, data: Mapping[str, Any]) -> None:
        # A rest that was taken for a prompt comes again as a part of its line.
        again = data["offset"] == self._serial_offset
        self._serial_offset = data["offset"]
        if again:
            self._words.take_back("serial")
        if self._goal.medium == "disc":
            self._words.say_once("serial", data["text"])
        else:
            self._words.say("serial", data["text"])
        self._text("serial", data["text"], again=again)

    def _on_firmware(self, data: Mapping[str, Any]) -> None:
        self._words.say("firmware", data["text"])
        self._text("firmware", data["text"])

    def _on_screen(self, data: Mapping[str, Any]) -> None:
        """A screen replaces the one before: its lines are the evidence, up to the decisive one."""
        self._words.show("screen", ())
        for line in data["lines"]:
            if line.strip():
                self._words.say("screen", line)
                self._text("screen", line)
        stop = read_bugcheck(data["lines"], data["background"])
        if stop:
            self._words.copy("screen", "bugcheck")
            self.state.facts["code"] = stop.code
            self._text("bugcheck", f"STOP {stop.code} {stop.name}".strip())

    def _text(self, channel: Channel, text: str, *, again: bool = False) -> None:
        """Hold ``text`` against the rules; ``again``: a part of it was seen before."""
        if self.verdict:
            return
        for match in self.rules.matches(channel, text, self.state):
            rule = match.rule
            if rule.restart and not again:
                self._on_restart()
            if rule.sign:
                self.state.signs.add(rule.sign)
            if rule.sign or rule.quoted:
                self.state.facts.update((name, value) for name, value in match.groups if value)
            if rule.stage:
                self._reach(rule.stage)
            if rule.finding and not self._is_over:
                self._take_finding(match, channel)
            if self.verdict:
                return

    def _take_finding(self, match: Match, channel: Channel) -> None:
        """End the run by a decisive rule; hold what another says.

        A log is read to its end: what came after may show that it was no end.
        """
        decisive = match.rule.decisive
        row = Held(match, self._words.of(channel), self.state.timeline.furthest, decisive)
        if decisive and not self._expected.whole_log:
            first = self._held.first_of(row)
            self._fail_by(first.match, first.evidence)
        else:
            self._held.add(row)

    # What the machine does

    def _on_event(self, data: Mapping[str, Any]) -> None:
        name, detail = data["name"], data["detail"]
        if name == "RESET" and detail.get("guest"):
            self._on_restart()
        elif name == "SHUTDOWN" and detail.get("guest") and not self._is_over:
            self._on_power_off()
        elif name == "BLOCK_IO_ERROR" and detail.get("nospace"):
            self._error("host.no-space", "The host's disk is full: the guest could not write.")
        elif name == "BLOCK_IO_ERROR" and detail.get("reason") == _FILE_TOO_LARGE:
            self._error("host.no-space", _OVER_LIMIT)
        elif name == "BLOCK_IO_ERROR":
            reason = printable(str(detail.get("reason", "")), 120)
            statement = f"The host could not {detail.get('operation', 'read')} the disk: {reason}."
            self._error("host.read-failed", statement)
        elif name == "BLOCK_IMAGE_CORRUPTED" and not self._is_over:
            # The gate and qemu-img check saw nothing: what QEMU stumbles over is in the image.
            reason = printable(str(detail.get("msg", "")), 200)
            self._fail(finding("qcow2.corrupt", f"QEMU found the image to be corrupt: {reason}."))

    def _on_power_off(self) -> None:
        """The guest ends the machine: an installation does so when it is done."""
        if self._goal.until != "installed":
            statement = "The guest switched the machine off before it had reached the network."
            self._fail(finding("boot.powered-off", statement, self._words.of("serial")))
        elif held := self._held.strongest(self.state):
            self._fail_by(held.match, held.evidence)
        elif self.state.written_bytes < _LEAST_INSTALLED_BYTES:
            statement = (
                "The installer ended, and it has written "
                f"{self.state.written_bytes} bytes to the disk: no system is that small."
            )
            self._fail(finding("installer.failed", statement, self._words.of("serial")))
        else:
            self._reach("installed")

    def _on_restart(self) -> None:
        if self._restarts and not self.state.reached("bootloader"):
            # One reboot may reset the machine several times before its firmware hands over.
            return
        self._restarts += 1
        same_again = self._held.restart(self.state)
        self.state = self.state.restarted()
        if self._is_over or self._expected.whole_log:
            return
        if self._restarts >= MAX_RESTARTS or same_again:
            self._fail(self._reset_loop())

    def _reset_loop(self) -> Finding:
        last = self._held.before
        why = f" Before that it said: {last.match.statement({})}" if last else ""
        return finding(
            "boot.reset-loop",
            f"The guest started the machine over {self._restarts} times and never reached the "
            f"network; it comes as far as the stage {self.timeline.furthest}.{why}",
            evidence=last.evidence if last else self._words.of("serial"),
        )

    def _on_reads(self, data: Mapping[str, Any]) -> None:
        self.state.take_disk_reads(int(data["read_bytes"]))

    def _on_writes(self, data: Mapping[str, Any]) -> None:
        self.state.written_bytes = int(data["written_bytes"])

    def _on_cpu_mode(self, data: Mapping[str, Any]) -> None:
        if self.state.firmware == "uefi":
            self._on_cpu_mode_under_uefi(data)
            return
        self.state.cpu_mode = data["mode"]
        if self.state.kernel_runs:
            self._on_kernel_mode(data)

    def _on_cpu_mode_under_uefi(self, data: Mapping[str, Any]) -> None:
        """UEFI and what it starts are in long mode, too; a kernel has its table in the upper half.

        As long as there is none, the mode says no more than that the firmware runs.
        """
        if data["mode"] != "real":
            self._reach("firmware")
        if data["mode"] == "long" and data.get("interrupt_table") == "high":
            self.state.cpu_mode = "long"
            self._on_kernel_mode(data)

    def _on_kernel_mode(self, data: Mapping[str, Any]) -> None:
        self.state.take_kernel_reads(int(data.get("disk_read_bytes", self.state.read_bytes)))
        self._reach("kernel")

    # The parts of an installation, each with a record of its own

    def _on_part(self, data: Mapping[str, Any]) -> None:
        """The installation, or the first boot of what it has installed, is over."""
        for stage, at_s in data["stages_s"].items():
            if stage in _STAGES_OF_PARTS and self._goal.knows(stage):
                self.timeline.reach(stage, data["started_s"] + at_s)
        found = [Finding.model_validate(row) for row in data["findings"]]
        if data["outcome"] == "pass":
            self._reach(data["reaches"])
            return
        known = {row.id for row in self.findings}
        self.findings += [row for row in found if row.id not in known or row.id == data["cause"]]
        self._end(data["outcome"], data["cause"])

    # The network

    def _on_frame(self, data: Mapping[str, Any]) -> None:
        self.state.take_frame(data["what"], data["source"])
        address_v6 = data["target" if data["what"] == "ipv6-probe" else "source"]
        if address_v6 and address_v6 == self._expected.address_v6:
            self.state.signs.add(IPV6_TAKEN)
        if self._goal.medium == "disc":
            self._on_nic_used()
        elif (
            data["what"] in _ANSWERS
            and data["source"] == self._expected.address
            and data["mac"] == self._expected.mac
        ):
            self._reach("network")

    def _on_nic_used(self) -> None:
        """A frame of what a disc started: of its installer, where one is known to be on it."""
        if self._reached("installer") or "no-installer" in self.state.known:
            self._reach("network")

    def _on_banner(self, _: Mapping[str, Any]) -> None:
        if self._goal.medium == "disk":
            self._reach("network")

    def _on_call(self, data: Mapping[str, Any]) -> None:
        if data["path"] == self._expected.phone_home_path:
            self._called = True
            self._reach("network")
            self._reach("seed")
        elif data["path"] == self._expected.ready_path:
            self._reach("network")
            self._on_ready(data["fields"])

    def _on_ready(self, fields: Mapping[str, str]) -> None:
        errors = fields.get("errors", "[]")
        if errors != "[]":
            self._on_seed_errors([errors])
        self._reach("seed")
        self._finished = True
        if not self._expected.login or self._locked_out:
            self._reach("ready")

    def _on_seed_errors(self, errors: Iterable[str]) -> None:
        statement = "cloud-init used the seed and ended with errors."
        self.findings.append(finding("seed.failed", statement, tuple(map(printable, errors))))

    def _on_login(self, data: Mapping[str, Any]) -> None:
        """It was let in by the seed's key, and cloud-init has ended."""
        self._reach("network")
        errors = data["cloud_init"]["errors"]
        if errors and not self._finished:
            self._on_seed_errors(errors)
        self._reach("seed")
        self._reach("ready")

    def _on_locked_out(self, data: Mapping[str, Any]) -> None:
        self._locked_out = True
        statement = f"Nobody is let in by the key that the seed gives: {data['reason']}."
        self.findings.append(finding("seed.key-refused", statement.replace("..", ".")))
        if self._finished:
            self._reach("ready")

    # The host

    def _on_qemu_ended(self, data: Mapping[str, Any]) -> None:
        words = tuple(printable(line) for line in data["stderr"])
        if data["status"] in (-9, None) and data["oom_kills"]:
            self._error("host.out-of-memory", "The host's kernel killed QEMU for memory.", words)
        elif data["status"] == -signal.SIGXFSZ or any(_FILE_TOO_LARGE in line for line in words):
            self._error("host.no-space", _OVER_LIMIT, words)
        else:
            status = "" if data["status"] is None else f" with status {data['status']}"
            self._error("host.qemu-crashed", f"QEMU ended{status}.", words)

    def _on_host_fault(self, data: Mapping[str, Any]) -> None:
        self._error(data["finding"], data["statement"])

    def _on_image_changed(self, _: Mapping[str, Any]) -> None:
        statement = "The image was changed by somebody else while it was tried."
        self._error("host.image-changed", statement)

    # Ends

    def _reach(self, stage: Stage) -> None:
        if not self._goal.knows(stage):
            return
        self.state.timeline.reach(stage, self._now_s)
        self._held.reach(stage)
        if self.timeline.reach(stage, self._now_s) and self._goal.is_met(self.timeline, self.state):
            self._pass()
        elif stage == "installer" and self.state.frames:
            self._reach("network")

    def _reached(self, stage: Stage) -> bool:
        return bool(self.timeline.reached_s) and rank(self.timeline.furthest) >= rank(stage)

    def _last_words(self) -> tuple[str, ...]:
        """What stands on the console; an installer may use none but the screen."""
        return self._words.of_console(or_screen=self._goal.medium == "disc")

    def _finish_incomplete(self) -> None:
        """The network is proved, and what was asked for beyond it did not come."""
        if self._goal.until == "network":
            self._pass()
            return
        if self._called:
            statement = "The network is up, and cloud-init did not say how it ended."
            found = finding("seed.failed", statement, self._words.of("serial"))
        else:
            statement = "The network is up, and the call that the seed asks for never came."
            found = finding("seed.ignored", statement, self._words.of("serial"))
        self.findings.append(found)
        self._pass()

    def _pass(self) -> None:
        wanted = self._expected.address_v6 if self._goal.medium == "disk" else ""
        if wanted and IPV6_TAKEN not in self.state.signs:
            statement = (
                f"The guest never took {wanted}, which the seed gives it beside "
                f"{self._expected.address}."
            )
            self.findings.append(finding("network.ipv6-unconfigured", statement))
        warning = next((row for row in self.findings if row.severity == "warning"), None)
        if self._expected.strict and warning:
            self._end("fail", warning.id)
        else:
            self._end("pass", None)

    def _fail_by(self, match: Match, evidence: tuple[str, ...], waited: str = "") -> None:
        _log.debug("decided by the rule %s", match.rule.id)
        found = self._finding_of(match, evidence, waited)
        if match.rule.inconclusive:
            self._join(found)
            self._end("inconclusive", None)
        else:
            self._fail(found)

    def _finding_of(self, match: Match, evidence: tuple[str, ...], waited: str) -> Finding:
        others = ", ".join(sorted(self.state.addresses)[:4])
        facts = {
            "waited": waited,
            "stage": self.timeline.furthest,
            "giver": "DHCP" if self._expected.by_dhcp else "the seed",
            "promised": "" if self._expected.by_dhcp else ", which the provider does not promise",
            "addresses": f" (it used {others})" if others else "",
            "nic": _NIC_USED if self.state.frames else "",
            "line": printable(match.text, 120),
            **self.state.facts,
        }
        found = rule_finding(match, evidence, self._tags(), facts)
        reason = reason_from_inspection(found.id, self.findings)
        return found.model_copy(update={"statement": f"{found.statement} {reason}".strip()})

    def _tags(self) -> tuple[str, ...]:
        """What remedies may be said in: by inspection, or by what the initramfs says of itself."""
        said = tuple(tool for tool in INITRAMFS_TOOLS if tool in self.state.signs)
        return (*self._expected.tags, *said)

    def _fail(self, cause: Finding) -> None:
        self._join(cause)
        self._end("fail", self._known_before(cause.id))

    def _join(self, cause: Finding) -> None:
        """Add ``cause``; what inspection found of the same becomes one finding with it."""
        same = [row for row in self.findings if row.id == cause.id]
        seen = tuple(line for row in same for line in row.evidence)
        self.findings = [row for row in self.findings if row not in same]
        self.findings.append(cause.model_copy(update={"evidence": (*seen, *cause.evidence)}))

    def _known_before(self, cause: str) -> str:
        """What inspection found, where the boot cannot say more: that it ended in the firmware."""
        if self._reached("kernel"):
            return cause
        known = [row.id for row in self.findings if row.severity == "error"]
        more = (row for start in _SAY_MORE for row in known if row.startswith(start))
        return next(more, cause)

    def _error(self, finding_id: str, statement: str, evidence: Iterable[str] = ()) -> None:
        self.findings.append(finding(finding_id, statement, tuple(evidence)))
        self._end("error", finding_id)

    def _end(self, outcome: Outcome, cause: str | None) -> None:
        self.verdict = Verdict(
            outcome=outcome,
            stage=self.timeline.furthest if self.timeline.reached_s else None,
            cause=cause,
            findings=tuple(self.findings),
            stages_s=dict(self.timeline.reached_s),
            at_s=self._now_s,
        )


_Handler = Callable[[Diagnosis, Mapping[str, Any]], None]

_OVERRIDING = ("host", "image-changed")

# Which observation is for what; the rest is for people to read.
_HANDLERS: dict[tuple[str, str], _Handler] = {
    ("run", "start"): Diagnosis._on_start,
    ("check", "finding"): Diagnosis._on_finding,
    ("run", "checked"): Diagnosis._on_checked,
    ("machine", "power-on"): Diagnosis._on_power_on,
    ("run", "rules"): Diagnosis._on_rules,
    ("clock", "quiet"): Diagnosis._on_quiet,
    ("clock", "time-over"): Diagnosis._on_time_over,
    ("console", "end"): Diagnosis._on_console_end,
    ("screen", "text"): Diagnosis._on_screen,
    ("serial", "line"): Diagnosis._on_serial,
    ("serial", "prompt"): Diagnosis._on_serial,
    ("firmware", "line"): Diagnosis._on_firmware,
    ("qmp", "event"): Diagnosis._on_event,
    ("disk", "reads"): Diagnosis._on_reads,
    ("disk", "writes"): Diagnosis._on_writes,
    ("part", "result"): Diagnosis._on_part,
    ("cpu", "mode"): Diagnosis._on_cpu_mode,
    ("network", "frame"): Diagnosis._on_frame,
    ("network", "banner"): Diagnosis._on_banner,
    ("receiver", "call"): Diagnosis._on_call,
    ("ssh", "login"): Diagnosis._on_login,
    ("ssh", "failed"): Diagnosis._on_locked_out,
    ("host", "qemu-ended"): Diagnosis._on_qemu_ended,
    ("host", "fault"): Diagnosis._on_host_fault,
    _OVERRIDING: Diagnosis._on_image_changed,
}


def diagnose(observations: Iterable[Observation]) -> Diagnosis:
    """The diagnosis after all ``observations``."""
    diagnosis = Diagnosis()
    for observation in observations:
        diagnosis.feed(observation)
    return diagnosis
