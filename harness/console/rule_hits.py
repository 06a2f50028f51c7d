"""The rules that matched in a boot, as the tracker reports them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.diagnose.rules import Channel, Match, Rule
from harness.evidence.guest_text import printable

_LINE_CHARS = 200


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that matched, its first match, and the number of matches.

    ``line`` is safe to print, and empty for a rule about silence. ``proves`` is the consequence in
    words; ``is_progress``: it proves that a stage was reached.
    """

    rule: str
    channel: Channel
    line: str
    at_s: float
    proves: str
    is_progress: bool
    count: int = 1


class RuleHits:
    """The rules that matched since power-on, each once."""

    def __init__(self) -> None:
        self.rows: dict[str, RuleHit] = {}

    def note(self, channel: Channel, match: Match, at_s: float) -> None:
        """Record a match."""
        rule = match.rule
        known = self.rows.get(rule.id)
        self.rows[rule.id] = RuleHit(
            rule=rule.id,
            channel=known.channel if known else channel,
            line=known.line if known else printable(match.text, _LINE_CHARS),
            at_s=known.at_s if known else at_s,
            proves=describe_proof(rule),
            is_progress=rule.stage is not None,
            count=known.count + 1 if known else 1,
        )


def describe_proof(rule: Rule) -> str:
    """Describe what a rule proves: ``stage kernel``, ``finding boot.panic``..."""
    proofs = [f"stage {rule.stage}"] if rule.stage else []
    proofs += [f"sign {rule.sign}"] if rule.sign else []
    if rule.finding:
        proofs.append(f"finding {rule.finding}" + ("" if rule.decisive else ", held"))
    proofs += ["words for a later finding"] if rule.quoted else []
    proofs += ["the machine started over"] if rule.restart else []
    return ", ".join(proofs)
