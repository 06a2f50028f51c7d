"""The diagnosis: fed observation by observation, it says the verdict as soon as there is one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.checks.finding import Finding, finding
from harness.diagnose.rules import Match, RuleBook, shipped_rules
from harness.diagnose.silence import Machine, judge_silence
from harness.diagnose.stages import Stage, Timeline, Until, rank
from harness.evidence import Observation
from harness.guest_text import printable

Outcome = Literal["pass", "fail", "inconclusive", "error"]

# A machine that was started this often over and never reached the network is in a loop. A
# cloud image may start again once or twice on its own (a relabel, a kernel without its initrd).
MAX_RESETS = 4

# Findings of inspection that are the cause of a boot that ends in the firmware.
_SAY_MORE = ("arch.", "firmware.")

_ANSWERS = frozenset({"arp-reply", "tcp-syn-ack", "tcp-reset", "tcp"})
_TAIL_LINES = 12
_FIRMWARE_LINES = 4
# The firmware's log is chatty; these of its lines mean something to a person.
_FIRMWARE_WORDS = ("Boot", "No boot")


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
    mac: str = ""
    phone_home_path: str = ""
    ready_path: str = ""
    until: Until = "network"
    strict: bool = False


@dataclass(slots=True)
class Diagnosis:
    """A judge that never waits: what is not among the observations does not count.

    Feed it every observation in order. Once :attr:`verdict` is there it does not change, but for
    one reason: the image was changed under the run, and then nothing that was seen counts.
    """

    rules: RuleBook = field(default_factory=shipped_rules)
    timeline: Timeline = field(default_factory=Timeline)
    machine: Machine = field(default_factory=Machine)
    findings: list[Finding] = field(default_factory=list)
    verdict: Verdict | None = None
    _expected: _Expected = field(default_factory=_Expected)
    _pending: Match | None = None
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    _firmware_tail: deque[str] = field(default_factory=lambda: deque(maxlen=_FIRMWARE_LINES))
    _resets: int = 0
    _now_s: float = 0.0

    def feed(self, observation: Observation) -> Verdict | None:
        """Take one observation; the verdict, if this one or an earlier one decided."""
        overrides = (observation.channel, observation.kind) == _OVERRIDING
        if self.verdict is None or overrides:
            self._now_s = observation.t_s
            handler = _HANDLERS.get((observation.channel, observation.kind))
            if handler:
                handler(self, observation.data)
        return self.verdict

    # The run itself

    def _on_start(self, data: Mapping[str, Any]) -> None:
        seed = data["seed"]
        self._expected = _Expected(
            address=seed["address"],
            mac=seed["mac"],
            phone_home_path=seed["phone_home_path"],
            ready_path=seed["ready_path"],
            until=data["until"],
            strict=data["strict"],
        )

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

    def _on_silence(self, data: Mapping[str, Any]) -> None:
        """Nothing moved for long, or the time is over: what is known by now has to do."""
        if self._reached("network"):
            self._finish_incomplete()
            return
        if self._pending:
            self._fail_by(self._pending)
            return
        waited = f"nothing moved for {data['quiet_s']:.0f} s"
        if data["still_at_work"]:
            waited = f"the time given was over after {self._now_s:.0f} s, and it was still at work"
        cause, statement = judge_silence(self.timeline, self.machine, waited)
        found = finding(cause, statement, self._last_lines())
        if data["still_at_work"]:
            self.findings.append(found)
            self._end("inconclusive", None)
        else:
            self._fail(found)

    # Text

    def _on_serial(self, data: Mapping[str, Any]) -> None:
        self._tail.append(printable(data["text"]))
        self._text("serial", data["text"])

    def _on_firmware(self, data: Mapping[str, Any]) -> None:
        if data["text"].startswith(_FIRMWARE_WORDS):
            self._firmware_tail.append(printable(data["text"]))
        self._text("firmware", data["text"])

    def _text(self, channel: str, text: str) -> None:
        for match in self.rules.matches(channel, text):
            if match.rule.stage:
                self._reach(match.rule.stage)
            elif match.rule.decisive and not self._reached("network"):
                self._fail_by(match)
                return
            elif not match.rule.decisive:
                self._pending = match

    # What the machine does

    def _on_event(self, data: Mapping[str, Any]) -> None:
        name, detail = data["name"], data["detail"]
        if name == "RESET" and detail.get("guest"):
            self._on_reset()
        elif name == "SHUTDOWN" and detail.get("guest") and not self._reached("network"):
            self._fail(
                finding(
                    "boot.powered-off",
                    "The guest switched the machine off before it had reached the network.",
                    evidence=self._last_lines(),
                )
            )
        elif name == "BLOCK_IO_ERROR" and detail.get("nospace"):
            self._error("host.no-space", "The host's disk is full: the guest could not write.")

    def _on_reset(self) -> None:
        self._resets += 1
        self._pending = None
        self.machine = Machine()
        if self._resets >= MAX_RESETS and not self._reached("network"):
            self._fail(
                finding(
                    "boot.reset-loop",
                    f"The guest started the machine over {self._resets} times and never reached "
                    f"the network; it comes as far as the stage {self.timeline.furthest}.",
                    evidence=self._last_lines(),
                )
            )

    def _on_reads(self, data: Mapping[str, Any]) -> None:
        self.machine.take_disk_reads(int(data["read_bytes"]))

    def _on_cpu_mode(self, data: Mapping[str, Any]) -> None:
        self.machine.cpu_mode = data["mode"]
        # SeaBIOS and the boot loaders under it leave the processor out of long mode: what runs
        # in it was loaded by them.
        if data["mode"] == "long" and self._reached("bootloader"):
            self._reach("kernel")

    # The network

    def _on_frame(self, data: Mapping[str, Any]) -> None:
        self.machine.take_frame(data["what"], data["source"])
        if (
            data["what"] in _ANSWERS
            and data["source"] == self._expected.address
            and data["mac"] == self._expected.mac
        ):
            self._reach("network")

    def _on_banner(self, _: Mapping[str, Any]) -> None:
        self._reach("network")

    def _on_call(self, data: Mapping[str, Any]) -> None:
        if data["path"] == self._expected.phone_home_path:
            self._reach("network")
            self._reach("seed")
        elif data["path"] == self._expected.ready_path:
            self._reach("network")
            self._on_ready(data["fields"])

    def _on_ready(self, fields: Mapping[str, str]) -> None:
        errors = fields.get("errors", "[]")
        if errors != "[]":
            statement = "cloud-init used the seed and ended with errors."
            self.findings.append(finding("seed.failed", statement, (printable(errors),)))
        self._reach("seed")
        self._reach("ready")

    # The host

    def _on_qemu_ended(self, data: Mapping[str, Any]) -> None:
        words = tuple(printable(line) for line in data["stderr"])
        if data["status"] == -9 and data["oom_kills"]:
            self._error("host.out-of-memory", "The host's kernel killed QEMU for memory.", words)
        else:
            self._error("host.qemu-crashed", f"QEMU ended with status {data['status']}.", words)

    def _on_host_fault(self, data: Mapping[str, Any]) -> None:
        self._error(data["finding"], data["statement"])

    def _on_image_changed(self, _: Mapping[str, Any]) -> None:
        statement = "The image was changed by somebody else while it was tried."
        self._error("host.image-changed", statement)

    # Ends

    def _reach(self, stage: Stage) -> None:
        if self.timeline.reach(stage, self._now_s) and rank(stage) >= rank(self._expected.until):
            self._pass()

    def _reached(self, stage: Stage) -> bool:
        return rank(self.timeline.furthest) >= rank(stage)

    def _last_lines(self) -> tuple[str, ...]:
        return tuple(self._tail)

    def _finish_incomplete(self) -> None:
        """The network is proved, and what was asked for beyond it did not come."""
        statement = (
            f"The network is up, and cloud-init did not come to the stage {self._expected.until}."
        )
        self.findings.append(finding("seed.failed", statement, self._last_lines()))
        self._pass()

    def _pass(self) -> None:
        warning = next((row for row in self.findings if row.severity == "warning"), None)
        if self._expected.strict and warning:
            self._end("fail", warning.id)
        else:
            self._end("pass", None)

    def _fail_by(self, match: Match) -> None:
        rule = match.rule
        tail = self._tail if rule.channel == "serial" else self._firmware_tail
        self._fail(finding(str(rule.finding), rule.statement, tuple(tail)))

    def _fail(self, cause: Finding) -> None:
        self.findings.append(cause)
        self._end("fail", self._known_before(cause.id))

    def _known_before(self, cause: str) -> str:
        """What inspection found, where the boot cannot say more: that it ended in the firmware."""
        if self._reached("kernel"):
            return cause
        known = (row.id for row in self.findings if row.severity == "error")
        return next((row for row in known if row.startswith(_SAY_MORE)), cause)

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
    ("clock", "silence"): Diagnosis._on_silence,
    ("serial", "line"): Diagnosis._on_serial,
    ("serial", "prompt"): Diagnosis._on_serial,
    ("firmware", "line"): Diagnosis._on_firmware,
    ("qmp", "event"): Diagnosis._on_event,
    ("disk", "reads"): Diagnosis._on_reads,
    ("cpu", "mode"): Diagnosis._on_cpu_mode,
    ("network", "frame"): Diagnosis._on_frame,
    ("network", "banner"): Diagnosis._on_banner,
    ("receiver", "call"): Diagnosis._on_call,
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
