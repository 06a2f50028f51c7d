"""The rules: what a text or silence on a channel proves. The table is ``rules.toml``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.diagnose.machine_state import MachineState
from harness.evidence.guest_text import printable
from harness.model.finding import Finding, Severity, finding_catalog
from harness.model.hardware import CpuMode, Firmware
from harness.model.image import Medium
from harness.model.stages import Stage
from harness.model.table import parse_table, read_table_text, shipped_table

Channel = Literal["serial", "firmware", "screen", "bugcheck", "silence"]


class _RuleModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _current_name(medium: object) -> object:
    """Return the current name of a medium: an ISO was called a disc."""
    return "iso" if medium == "disc" else medium


class When(_RuleModel):
    """The condition of a rule on the state of the machine since it last started.

    ``below`` and ``reached`` name a stage; ``reads`` tells whether the disk was read after the
    firmware handed over, ``frames`` whether any frame left the NIC, ``dhcp`` whether the guest
    asked for a lease. ``medium`` is a disk or an installer's ISO. All of ``signs`` must have been
    seen, and none of ``no_signs``.
    """

    medium: Annotated[Medium, BeforeValidator(_current_name)] | None = None
    below: Stage | None = None
    reached: Stage | None = None
    firmware: Firmware | None = None
    cpu_mode: tuple[CpuMode, ...] | None = None
    kernel_runs: bool | None = None
    reads: bool | None = None
    frames: bool | None = None
    dhcp: bool | None = None
    signs: tuple[str, ...] = ()
    no_signs: tuple[str, ...] = ()

    def holds(self, state: MachineState) -> bool:
        """Tell whether the condition holds for ``state``."""
        facts: tuple[tuple[object, object], ...] = (
            (self.kernel_runs, state.kernel_runs),
            (self.reads, state.reads),
            (self.frames, state.frames > 0),
            (self.dhcp, state.asked_for_dhcp),
            (self.firmware, state.firmware),
            (self.medium, state.medium),
        )
        return (
            all(wanted is None or wanted == found for wanted, found in facts)
            and (self.below is None or not state.reached(self.below))
            and (self.reached is None or state.reached(self.reached))
            and (self.cpu_mode is None or state.cpu_mode in self.cpu_mode)
            and state.signs.issuperset(self.signs)
            and state.signs.isdisjoint(self.no_signs)
        )


class Rule(_RuleModel):
    """One row of the table.

    A rule on a text channel has a ``pattern``, searched for in one line (``unless`` names what
    takes the proof away from the same line); one on the channel ``silence`` holds when nothing has
    moved for ``quiet_s`` seconds. ``when`` is a condition of both.

    It proves one thing: that a ``stage`` was reached; a ``sign`` that other rules test; that the
    machine restarted (``restart``); or a ``finding``. A text that proves a sign or a finding may
    also show a stage. A rule that is ``quoted`` proves nothing by itself: the statements of later
    findings may name its groups, like those of a sign.

    A finding that is ``decisive`` ends the run at once. Any other is pending: it becomes the cause
    after ``quiet_s`` seconds in which nothing moves, and is dropped when the guest reaches the
    stage ``disproved_by``, or when the machine restarts. With ``inconclusive`` the finding ends the
    run and proves nothing against the image.

    Seconds are those of the reference host, and are stretched on a slower one. ``statement`` may
    name groups of the pattern and facts of the state: ``{file}``, ``{waited}``, ``{stage}``,
    ``{addresses}``. ``remedy`` takes precedence over that of the catalog, and is needed for a
    finding that the catalog does not have.
    """

    id: str = Field(min_length=1)
    channels: tuple[Channel, ...] = Field(min_length=1)
    pattern: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None
    when: When = When()
    stage: Stage | None = None
    sign: str | None = None
    restart: bool = False
    quoted: bool = False
    finding: str | None = Field(default=None, pattern=r"^[a-z0-9]+(\.[a-z0-9-]+)+$")
    decisive: bool = False
    inconclusive: bool = False
    quiet_s: float = Field(default=15.0, gt=0)
    disproved_by: Stage | None = None
    statement: str = ""
    remedy: str = ""
    severity: Severity = "error"
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Rule:
        proofs = (self.sign, self.finding, self.restart or None, self.quoted or None)
        if sum(proof is not None for proof in proofs) != (0 if self.stage else 1) and not (
            self.stage and (self.sign or self.finding)
        ):
            raise ValueError(
                "a rule proves one of: a stage, a sign, a finding, a restart; or it is quoted"
            )
        if self.finding and not self.statement:
            raise ValueError("a rule that names a finding says it in a statement")
        if self.finding and self.finding not in finding_catalog() and not self.remedy:
            raise ValueError(f"{self.finding} is not in the catalog: the rule needs a remedy")
        if "silence" in self.channels:
            if self.pattern or len(self.channels) > 1 or not self.finding:
                raise ValueError("a rule about silence has no pattern and names a finding")
        elif self.pattern is None:
            raise ValueError("a rule about text has a pattern")
        return self


class IgnoredLine(_RuleModel):
    """A line that looks like a failure and is not one: it proves no finding."""

    pattern: re.Pattern[str]
    source: str = Field(min_length=1)


class _RuleTable(_RuleModel):
    rule: tuple[Rule, ...] = ()
    ignore: tuple[IgnoredLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matches a text, and the named groups of its pattern."""

    rule: Rule
    text: str
    groups: tuple[tuple[str, str], ...] = ()

    def statement(self, facts: Mapping[str, str]) -> str:
        """Return the rule's statement, filled in with the groups and with ``facts``."""
        known = {**facts, **dict(self.groups)}
        text = re.sub(r"\{(\w+)\}", lambda name: known.get(name[1], ""), self.rule.statement)
        # A quoted text may end in a punctuation mark, or be missing.
        return re.sub(r"\s+", " ", re.sub(r"([!?.])\.$|\s*[:;]?\s+\.$", r"\1.", text)).replace(
            "!.", "!"
        )


class RuleBook:
    """All rules by channel, in the order of their tables."""

    def __init__(self, rules: Iterable[Rule], ignored: Iterable[IgnoredLine] = ()) -> None:
        self.rules = tuple(rules)
        self.ignored = tuple(ignored)
        self._by_channel: dict[Channel, list[Rule]] = {}
        for rule in self.rules:
            for channel in rule.channels:
                self._by_channel.setdefault(channel, []).append(rule)

    def with_user_rules(self, own: RuleBook) -> RuleBook:
        """Return a book in which the rules of ``own`` come first and replace those of their ids."""
        replaced = {rule.id for rule in own.rules}
        kept = [rule for rule in self.rules if rule.id not in replaced]
        return RuleBook([*own.rules, *kept], [*own.ignored, *self.ignored])

    def matches(self, channel: Channel, text: str, state: MachineState) -> Iterator[Match]:
        """Yield the rules of ``channel`` that match ``text``, in the order of the table."""
        ignored: bool | None = None
        for rule in self._by_channel.get(channel, ()):
            found = rule.pattern.search(text) if rule.pattern else None
            if not found or (rule.unless and rule.unless.search(text)):
                continue
            if not rule.when.holds(state):
                continue
            if rule.finding:
                if ignored is None:
                    ignored = any(row.pattern.search(text) for row in self.ignored)
                if ignored:
                    continue
            named = ((name, printable(value or "", 120)) for name, value in _groups(found))
            yield Match(rule, text, tuple(named))

    def silence_match(self, state: MachineState, quiet_s: float) -> Match | None:
        """Return the first rule about silence that holds after ``quiet_s`` seconds; else None."""
        for rule in self._by_channel.get("silence", ()):
            if rule.quiet_s <= quiet_s and rule.when.holds(state):
                return Match(rule, "")
        return None


def _groups(match: re.Match[str]) -> Iterable[tuple[str, str | None]]:
    return match.groupdict().items()


def rule_finding(
    match: Match, evidence: tuple[str, ...], tags: Iterable[str], facts: Mapping[str, str]
) -> Finding:
    """Return the finding that ``match`` proves for an image with these ``tags``."""
    rule = match.rule
    finding_id = str(rule.finding)
    entry = finding_catalog().get(finding_id)
    return Finding(
        id=finding_id,
        severity=entry.severity if entry else rule.severity,
        statement=match.statement(facts),
        evidence=evidence,
        remedy=rule.remedy or (entry.remedy_for(tags) if entry else ""),
    )


def parse_rules(text: str, location: str) -> RuleBook:
    """Return the rules in TOML ``text``; raises UsageError that names every fault at once."""
    table = parse_table(text, location, _RuleTable)
    return RuleBook(table.rule, table.ignore)


@cache
def shipped_rules() -> RuleBook:
    """Return the rules that come with harness."""
    table = shipped_table(__package__, "rules.toml", _RuleTable)
    return RuleBook(table.rule, table.ignore)


def read_rules(paths: Iterable[Path]) -> tuple[tuple[str, str], ...]:
    """Return location and text of the user's own tables of rules, all of which are valid.

    Raises UsageError for a table that cannot be read or is not valid.
    """
    tables = []
    for path in paths:
        text = read_table_text(path)
        parse_rules(text, str(path))
        tables.append((str(path), text))
    return tuple(tables)
