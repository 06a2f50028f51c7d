"""The judge: compares the state of a tracker with a goal, and gives the verdict."""

from __future__ import annotations

import copy
import logging
import math
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.diagnose.goal import Goal
from harness.diagnose.machine_state import IPV6_TAKEN, MachineState
from harness.diagnose.pending import PendingFinding
from harness.diagnose.reasons import inspection_reason
from harness.diagnose.rules import Match, rule_finding
from harness.diagnose.tracker import LEAST_INSTALLED_BYTES, Tracker
from harness.diagnose.updates import (
    EventUpdate,
    FailureUpdate,
    RestartUpdate,
    RuleUpdate,
    StageUpdate,
    Update,
)
from harness.evidence import events
from harness.evidence.guest_text import printable
from harness.evidence.handlers import EventHandlers
from harness.model.finding import INITRAMFS_TOOLS, Finding, finding
from harness.model.outcome import Outcome
from harness.model.stages import Stage, Until

_log = logging.getLogger(__name__)

MAX_RESTARTS = 3
"""A machine that restarted this often and never reached the network is in a loop.

A cloud image may restart once or twice by itself (a relabel, a kernel without its initrd). One that
ended twice by the same finding is in a loop already.
"""

# Findings of inspection that take precedence as the cause of a boot that ends in the firmware, the
# strongest first: another processor explains more than another firmware.
_STRONGER_CAUSES = ("arch.", "firmware.")
# strerror(EFBIG): the error of a write beyond RLIMIT_FSIZE where SIGXFSZ is ignored.
_FILE_TOO_LARGE = "File too large"
_OVER_LIMIT = "The guest wrote more than a run may write here (the file size limit)."
_NIC_USED = " It did use the NIC."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a diagnosis.

    ``findings`` holds those of the checks and those of the boot; ``cause`` is the id of the one
    that decided. ``at_s`` is the moment of the event that decided, in seconds since power-on.
    ``stage`` is None where nothing was booted. ``state`` is the state of the machine at that
    moment.
    """

    outcome: Outcome
    stage: Stage | None
    cause: str | None
    findings: tuple[Finding, ...]
    stages_s: Mapping[Stage, float]
    at_s: float
    state: MachineState = field(default_factory=MachineState, compare=False, repr=False)


handlers = EventHandlers["Judge"]()
"""The events that can end a run by themselves; stages and texts come as updates of the tracker."""


class Judge:
    """The judge of one run: a tracker, a goal, and the verdict.

    It never waits: what is not recorded does not count. ``until`` is the stage that the boot must
    reach; None for that of the run. A :attr:`verdict` does not change, with one exception: if the
    image was changed during the run, nothing that was seen counts.
    """

    def __init__(self, tracker: Tracker, until: Until | None = None) -> None:
        self.verdict: Verdict | None = None
        self.goal = Goal(until or "network")
        self._until = until
        self._tracker = tracker
        tracker.watch(self._take)

    def current_verdict(self) -> Verdict:
        """Return the verdict; an inconclusive one as of now if nothing is decided."""
        return self.verdict or self._verdict("inconclusive", None, self._tracker.findings)

    def final_verdict(self) -> Verdict:
        """Return the verdict; an error of the host if the record ends without one."""
        if self.verdict:
            return self.verdict
        statement = "The record ends before anything was decided."
        found = finding("host.interrupted", statement)
        return self._verdict("error", found.id, (*self._tracker.findings, found))

    def give_up(self, finding_id: str, statement: str) -> None:
        """End with an error: this judge failed, and what it knows cannot be relied on."""
        self.verdict = Verdict(
            "error", None, finding_id, (finding(finding_id, statement),), {}, 0.0
        )

    # Updates of the tracker

    def _take(self, update: Update) -> None:
        match update:
            case EventUpdate(event):
                self._take_event(event)
            case _ if self.verdict:
                return
            case StageUpdate(_, is_furthest):
                if is_furthest and self._is_met:
                    self._pass()
            case FailureUpdate(pending, is_decisive):
                if is_decisive and not self._reads_whole_log and not self._tracker.has_come_up:
                    self._fail_by(pending.match, pending.evidence)
            case RestartUpdate(same_failure):
                self._take_restart(same_failure=same_failure)
            case RuleUpdate():
                return

    def _take_event(self, event: events.Event) -> None:
        if self.verdict is None or isinstance(event, events.ImageChange):
            handlers.handle(self, event)
        if self.verdict is None and self._is_met:
            self._pass()

    @property
    def _is_met(self) -> bool:
        return self.goal.is_met(self._tracker.timeline, self._tracker.state)

    @property
    def _reads_whole_log(self) -> bool:
        """True for a finished log: later text may show that a failure was not one."""
        return self._tracker.start is not None and self._tracker.start.whole_log

    def _take_restart(self, *, same_failure: bool) -> None:
        if self._tracker.has_come_up or self._reads_whole_log:
            return
        if self._tracker.restarts >= MAX_RESTARTS or same_failure:
            self._fail(self._reset_loop())

    @handlers.on(events.RunStart)
    def _on_start(self, event: events.RunStart) -> None:
        self.goal = Goal(self._until or event.until, event.medium, bool(event.seed.address_v6))

    @handlers.on(events.ChecksEnd)
    def _on_checked(self, _: events.ChecksEnd) -> None:
        """Decide by the checks alone: nothing is booted."""
        found = self._tracker.findings
        error = next((row for row in found if row.severity == "error"), None)
        if error:
            self._end("fail", error.id, found)
        else:
            self._pass()

    @handlers.on(events.PartResult)
    def _on_part(self, event: events.PartResult) -> None:
        if event.outcome != "pass":
            self._end(event.outcome, event.cause, self._tracker.findings)

    # Silence and the end of the time

    @handlers.on(events.Quiet)
    def _on_quiet(self, event: events.Quiet) -> None:
        """Decide after some silence, if what is known by now is enough."""
        tracker = self._tracker
        if tracker.has_come_up:
            if event.last:
                self._finish_incomplete()
            return
        quiet_s = math.inf if event.last else event.reference_s
        if pending := tracker.pending.after(quiet_s, tracker.state):
            self._fail_by(pending.match, pending.evidence)
        elif tracker.silence:
            waited = f"nothing moved for {event.quiet_s:.0f} s"
            self._fail_by(tracker.silence, tracker.console_lines(), waited)

    @handlers.on(events.TimeOver)
    def _on_time_over(self, _: events.TimeOver) -> None:
        """End at the time limit: a guest that is still at work proves nothing."""
        tracker = self._tracker
        if tracker.has_come_up:
            self._finish_incomplete()
            return
        if pending := tracker.pending.strongest(tracker.state):
            self._fail_by(pending.match, pending.evidence)
            return
        found = list(tracker.findings)
        if match := tracker.rules.silence_match(tracker.state, math.inf):
            waited = (
                f"the time given was over after {tracker.now_s:.0f} s, and it was still at work"
            )
            found.append(self._finding_of(match, tracker.console_lines(), waited))
        self._end("inconclusive", None, found)

    @handlers.on(events.LogEnd)
    def _on_log_end(self, _: events.LogEnd) -> None:
        """Decide at the end of a console log: there is nothing more to come."""
        tracker = self._tracker
        if pending := tracker.pending.strongest(tracker.state) or tracker.pending.before:
            self._fail_by(pending.match, pending.evidence)
        else:
            self._end("inconclusive", None, tracker.findings)

    # The machine

    @handlers.on(events.QmpEvent)
    def _on_qmp_event(self, event: events.QmpEvent) -> None:
        detail = event.detail
        if event.name == "SHUTDOWN" and detail.get("guest") and not self._tracker.has_come_up:
            self._on_power_off()
        elif event.name == "BLOCK_IO_ERROR" and detail.get("nospace"):
            self._error("host.no-space", "The host's disk is full: the guest could not write.")
        elif event.name == "BLOCK_IO_ERROR" and detail.get("reason") == _FILE_TOO_LARGE:
            self._error("host.no-space", _OVER_LIMIT)
        elif event.name == "BLOCK_IO_ERROR":
            reason = printable(str(detail.get("reason", "")), 120)
            statement = f"The host could not {detail.get('operation', 'read')} the disk: {reason}."
            self._error("host.read-failed", statement)
        elif event.name == "BLOCK_IMAGE_CORRUPTED" and not self._tracker.has_come_up:
            # The gate and qemu-img check found nothing, but the fault is in the image.
            reason = printable(str(detail.get("msg", "")), 200)
            self._fail(finding("qcow2.corrupt", f"QEMU found the image to be corrupt: {reason}."))

    def _on_power_off(self) -> None:
        """Decide when the guest switches off: an installation does so when it is done."""
        tracker = self._tracker
        if self.goal.until != "installed":
            statement = "The guest switched the machine off before it had reached the network."
            self._fail(finding("boot.powered-off", statement, tracker.lines.of("serial")))
        elif pending := tracker.pending.strongest(tracker.state):
            self._fail_by(pending.match, pending.evidence)
        elif tracker.state.written_bytes < LEAST_INSTALLED_BYTES:
            statement = (
                "The installer ended, and it has written "
                f"{tracker.state.written_bytes} bytes to the disk: no system is that small."
            )
            self._fail(finding("installer.failed", statement, tracker.lines.of("serial")))

    def _reset_loop(self) -> Finding:
        tracker = self._tracker
        last: PendingFinding | None = tracker.pending.before
        why = f" Before that it said: {last.match.statement({})}" if last else ""
        return finding(
            "boot.reset-loop",
            f"The guest started the machine over {tracker.restarts} times and never reached the "
            f"network; it comes as far as the stage {tracker.timeline.furthest}.{why}",
            evidence=last.evidence if last else tracker.lines.of("serial"),
        )

    # The host

    @handlers.on(events.QemuEnd)
    def _on_qemu_end(self, event: events.QemuEnd) -> None:
        words = tuple(printable(line) for line in event.stderr)
        if event.status in (-9, None) and event.oom_kills:
            self._error("host.out-of-memory", "The host's kernel killed QEMU for memory.", words)
        elif event.status == -signal.SIGXFSZ or any(_FILE_TOO_LARGE in line for line in words):
            self._error("host.no-space", _OVER_LIMIT, words)
        else:
            status = "" if event.status is None else f" with status {event.status}"
            self._error("host.qemu-crashed", f"QEMU ended{status}.", words)

    @handlers.on(events.HostFault)
    def _on_host_fault(self, event: events.HostFault) -> None:
        self._error(event.finding, event.statement)

    @handlers.on(events.ImageChange)
    def _on_image_change(self, _: events.ImageChange) -> None:
        statement = "The image was changed by somebody else while it was tried."
        self._error("host.image-changed", statement)

    # Ends

    def _finish_incomplete(self) -> None:
        """Pass a boot that has reached the network but not the later stage of the goal."""
        tracker = self._tracker
        if self.goal.until == "network":
            self._pass()
            return
        if tracker.has_called_home:
            statement = "The network is up, and cloud-init did not say how it ended."
            found = finding("seed.failed", statement, tracker.lines.of("serial"))
        else:
            statement = "The network is up, and the call that the seed asks for never came."
            found = finding("seed.ignored", statement, tracker.lines.of("serial"))
        self._pass(found)

    def _pass(self, *more: Finding) -> None:
        found = [*self._tracker.findings, *more]
        seed = self._tracker.seed
        wanted = seed.address_v6 if self.goal.medium == "disk" else ""
        if wanted and IPV6_TAKEN not in self._tracker.state.signs:
            statement = (
                f"The guest never took {wanted}, which the seed gives it beside {seed.address}."
            )
            found.append(finding("network.ipv6-unconfigured", statement))
        is_strict = self._tracker.start is not None and self._tracker.start.strict
        warning = next((row for row in found if row.severity == "warning"), None)
        if is_strict and warning:
            self._end("fail", warning.id, found)
        else:
            self._end("pass", None, found)

    def _fail_by(self, match: Match, evidence: tuple[str, ...], waited: str = "") -> None:
        _log.debug("decided by the rule %s", match.rule.id)
        found = self._finding_of(match, evidence, waited)
        if match.rule.inconclusive:
            self._end("inconclusive", None, self._with_cause(found))
        else:
            self._fail(found)

    def _fail(self, cause: Finding) -> None:
        found = self._with_cause(cause)
        self._end("fail", self._cause_by_inspection(cause.id, found), found)

    def _finding_of(self, match: Match, evidence: tuple[str, ...], waited: str) -> Finding:
        tracker = self._tracker
        by_dhcp = tracker.seed.addressing == "dhcp"
        others = ", ".join(sorted(tracker.state.addresses)[:4])
        facts = {
            "waited": waited,
            "stage": tracker.timeline.furthest,
            "giver": "DHCP" if by_dhcp else "the seed",
            "promised": "" if by_dhcp else ", which the provider does not promise",
            "addresses": f" (it used {others})" if others else "",
            "nic": _NIC_USED if tracker.state.frames else "",
            "line": printable(match.text, 120),
            **tracker.state.facts,
        }
        found = rule_finding(match, evidence, self._tags(), facts)
        reason = inspection_reason(found.id, tracker.findings)
        return found.model_copy(update={"statement": f"{found.statement} {reason}".strip()})

    def _tags(self) -> tuple[str, ...]:
        """Return the tags for the remedies: by inspection, or by the text of the initramfs."""
        start, signs = self._tracker.start, self._tracker.state.signs
        tools = tuple(tool for tool in INITRAMFS_TOOLS if tool in signs)
        return (*(start.tags if start else ()), *tools)

    def _with_cause(self, cause: Finding) -> list[Finding]:
        """Return all findings with ``cause``, which takes in those of inspection with its id."""
        found = self._tracker.findings
        same = [row for row in found if row.id == cause.id]
        seen = tuple(line for row in same for line in row.evidence)
        joined = cause.model_copy(update={"evidence": (*seen, *cause.evidence)})
        return [*(row for row in found if row not in same), joined]

    def _cause_by_inspection(self, cause: str, found: Iterable[Finding]) -> str:
        """Return the id of the cause: of inspection, if the boot ended in the firmware."""
        if self._tracker.reached("kernel"):
            return cause
        known = [row.id for row in found if row.severity == "error"]
        more = (row for start in _STRONGER_CAUSES for row in known if row.startswith(start))
        return next(more, cause)

    def _error(self, finding_id: str, statement: str, evidence: Iterable[str] = ()) -> None:
        before = self.verdict.findings if self.verdict else self._tracker.findings
        found = finding(finding_id, statement, tuple(evidence))
        self._end("error", finding_id, (*before, found))

    def _end(self, outcome: Outcome, cause: str | None, found: Iterable[Finding]) -> None:
        self.verdict = self._verdict(outcome, cause, found)

    def _verdict(self, outcome: Outcome, cause: str | None, found: Iterable[Finding]) -> Verdict:
        tracker = self._tracker
        return Verdict(
            outcome=outcome,
            stage=tracker.stage,
            cause=cause,
            findings=tuple(found),
            stages_s=dict(tracker.timeline.reached_s),
            at_s=tracker.now_s,
            state=copy.deepcopy(tracker.state),
        )
