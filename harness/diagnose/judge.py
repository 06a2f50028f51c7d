"""The judge: holds what a tracker knows against a goal, and says the verdict once there is one."""

from __future__ import annotations

import copy
import logging
import math
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.diagnose.goal import Goal
from harness.diagnose.held import HeldFinding
from harness.diagnose.machine_state import IPV6_TAKEN, MachineState
from harness.diagnose.reasons import reason_from_inspection
from harness.diagnose.rules import Match, rule_finding
from harness.diagnose.tracker import LEAST_INSTALLED_BYTES, Tracker
from harness.diagnose.updates import (
    EventTaken,
    FailureMatch,
    MachineRestart,
    RuleMatch,
    StageReached,
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
"""A machine that was started this often over and never reached the network is in a loop.

A cloud image may start again once or twice on its own (a relabel, a kernel without its initrd). One
that ended twice by the same finding is in a loop already.
"""

# Findings of inspection that are the cause of a boot that ends in the firmware, the first that is
# there: another processor says more than another firmware.
_SAY_MORE = ("arch.", "firmware.")
# strerror(EFBIG): what a write beyond the limit of RLIMIT_FSIZE gets where SIGXFSZ is ignored.
_FILE_TOO_LARGE = "File too large"
_OVER_LIMIT = "The guest wrote more than a run may write here (the file size limit)."
_NIC_USED = " It did use the NIC."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a diagnosis.

    ``findings`` holds those of the checks and those of the boot; ``cause`` is the id of the one
    that decided. ``at_s`` is the moment of the event that did, in seconds since power-on. ``stage``
    is None where nothing was booted. ``state`` is what was known of the machine at that moment.
    """

    outcome: Outcome
    stage: Stage | None
    cause: str | None
    findings: tuple[Finding, ...]
    stages_s: Mapping[Stage, float]
    at_s: float
    state: MachineState = field(default_factory=MachineState, compare=False, repr=False)


handlers = EventHandlers["Judge"]()
"""Which event can end a run by itself; stages and texts come as updates of the tracker."""


class Judge:
    """Looks at a tracker with a goal, and never waits: what is not recorded does not count.

    ``until`` is how far the boot must come; that of the run where it is None. Once
    :attr:`verdict` is there it does not change, but for one reason: the image was changed under the
    run, and then nothing that was seen counts.
    """

    def __init__(self, tracker: Tracker, until: Until | None = None) -> None:
        self.verdict: Verdict | None = None
        self.goal = Goal(until or "network")
        self._until = until
        self._tracker = tracker
        tracker.watch(self._look)

    def standing(self) -> Verdict:
        """Return the verdict; an inconclusive one as of now where nothing is decided."""
        return self.verdict or self._verdict("inconclusive", None, self._tracker.findings)

    def end_of_record(self) -> Verdict:
        """Return the verdict; an error of the host where the record ends without one."""
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

    # Looking

    def _look(self, update: Update) -> None:
        match update:
            case EventTaken(event):
                self._look_at(event)
            case _ if self.verdict:
                return
            case StageReached(_, is_furthest):
                if is_furthest and self._is_met:
                    self._pass()
            case FailureMatch(held, is_decisive):
                if is_decisive and not self._reads_on and not self._tracker.has_come_up:
                    self._fail_by(held.match, held.evidence)
            case MachineRestart(same_failure):
                self._look_at_restart(same_failure=same_failure)
            case RuleMatch():
                return

    def _look_at(self, event: events.Event) -> None:
        if self.verdict is None or isinstance(event, events.ImageChange):
            handlers.handle(self, event)
        if self.verdict is None and self._is_met:
            self._pass()

    @property
    def _is_met(self) -> bool:
        return self.goal.is_met(self._tracker.timeline, self._tracker.state)

    @property
    def _reads_on(self) -> bool:
        """Whether this is a finished log: what comes later may show that a failure was none."""
        return self._tracker.start is not None and self._tracker.start.whole_log

    def _look_at_restart(self, *, same_failure: bool) -> None:
        if self._tracker.has_come_up or self._reads_on:
            return
        if self._tracker.restarts >= MAX_RESTARTS or same_failure:
            self._fail(self._reset_loop())

    @handlers.on(events.RunStart)
    def _on_start(self, event: events.RunStart) -> None:
        self.goal = Goal(self._until or event.until, event.medium, bool(event.seed.address_v6))

    @handlers.on(events.ChecksEnd)
    def _on_checked(self, _: events.ChecksEnd) -> None:
        """Nothing is booted: the checks alone decide."""
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
        """Nothing has moved for a while: what is known by now may be enough."""
        tracker = self._tracker
        if tracker.has_come_up:
            if event.last:
                self._finish_incomplete()
            return
        quiet_s = math.inf if event.last else event.reference_s
        if held := tracker.held.after(quiet_s, tracker.state):
            self._fail_by(held.match, held.evidence)
        elif tracker.silence:
            waited = f"nothing moved for {event.quiet_s:.0f} s"
            self._fail_by(tracker.silence, tracker.last_words(), waited)

    @handlers.on(events.TimeOver)
    def _on_time_over(self, _: events.TimeOver) -> None:
        """The time is over while the guest was still at work: that proves nothing."""
        tracker = self._tracker
        if tracker.has_come_up:
            self._finish_incomplete()
            return
        if held := tracker.held.strongest(tracker.state):
            self._fail_by(held.match, held.evidence)
            return
        found = list(tracker.findings)
        if match := tracker.rules.silent(tracker.state, math.inf):
            waited = (
                f"the time given was over after {tracker.now_s:.0f} s, and it was still at work"
            )
            found.append(self._finding_of(match, tracker.last_words(), waited))
        self._end("inconclusive", None, found)

    @handlers.on(events.LogEnd)
    def _on_log_end(self, _: events.LogEnd) -> None:
        """A console log is over: what it holds is all that there is."""
        tracker = self._tracker
        if held := tracker.held.strongest(tracker.state) or tracker.held.before:
            self._fail_by(held.match, held.evidence)
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
            # The gate and qemu-img check saw nothing: what QEMU stumbles over is in the image.
            reason = printable(str(detail.get("msg", "")), 200)
            self._fail(finding("qcow2.corrupt", f"QEMU found the image to be corrupt: {reason}."))

    def _on_power_off(self) -> None:
        """The guest ends the machine: an installation does so when it is done."""
        tracker = self._tracker
        if self.goal.until != "installed":
            statement = "The guest switched the machine off before it had reached the network."
            self._fail(finding("boot.powered-off", statement, tracker.words.of("serial")))
        elif held := tracker.held.strongest(tracker.state):
            self._fail_by(held.match, held.evidence)
        elif tracker.state.written_bytes < LEAST_INSTALLED_BYTES:
            statement = (
                "The installer ended, and it has written "
                f"{tracker.state.written_bytes} bytes to the disk: no system is that small."
            )
            self._fail(finding("installer.failed", statement, tracker.words.of("serial")))

    def _reset_loop(self) -> Finding:
        tracker = self._tracker
        last: HeldFinding | None = tracker.held.before
        why = f" Before that it said: {last.match.statement({})}" if last else ""
        return finding(
            "boot.reset-loop",
            f"The guest started the machine over {tracker.restarts} times and never reached the "
            f"network; it comes as far as the stage {tracker.timeline.furthest}.{why}",
            evidence=last.evidence if last else tracker.words.of("serial"),
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
        """The network is proved, and what was asked for beyond it did not come."""
        tracker = self._tracker
        if self.goal.until == "network":
            self._pass()
            return
        if tracker.has_called_home:
            statement = "The network is up, and cloud-init did not say how it ended."
            found = finding("seed.failed", statement, tracker.words.of("serial"))
        else:
            statement = "The network is up, and the call that the seed asks for never came."
            found = finding("seed.ignored", statement, tracker.words.of("serial"))
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
            self._end("inconclusive", None, self._joined(found))
        else:
            self._fail(found)

    def _fail(self, cause: Finding) -> None:
        found = self._joined(cause)
        self._end("fail", self._known_before(cause.id, found), found)

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
        reason = reason_from_inspection(found.id, tracker.findings)
        return found.model_copy(update={"statement": f"{found.statement} {reason}".strip()})

    def _tags(self) -> tuple[str, ...]:
        """What remedies may be said in: by inspection, or by what the initramfs says of itself."""
        start, signs = self._tracker.start, self._tracker.state.signs
        said = tuple(tool for tool in INITRAMFS_TOOLS if tool in signs)
        return (*(start.tags if start else ()), *said)

    def _joined(self, cause: Finding) -> list[Finding]:
        """All findings with ``cause``; what inspection found of the same becomes one with it."""
        found = self._tracker.findings
        same = [row for row in found if row.id == cause.id]
        seen = tuple(line for row in same for line in row.evidence)
        joined = cause.model_copy(update={"evidence": (*seen, *cause.evidence)})
        return [*(row for row in found if row not in same), joined]

    def _known_before(self, cause: str, found: Iterable[Finding]) -> str:
        """What inspection found, where the boot cannot say more: that it ended in the firmware."""
        if self._tracker.reached("kernel"):
            return cause
        known = [row.id for row in found if row.severity == "error"]
        more = (row for start in _SAY_MORE for row in known if row.startswith(start))
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
