"""The rules: which text on which channel proves what. The table itself is ``rules.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.diagnose.stages import Stage
from harness.errors import UsageError


class Rule(BaseModel):
    """One row of the table.

    A rule proves that a ``stage`` was reached, or names a ``finding``. A finding that is
    ``decisive`` ends the run at once; one that is not is held until silence or a deadline, and
    dropped when the machine starts again (``until_reset``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    channel: Literal["serial", "firmware"]
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None = None
    stage: Stage | None = None
    finding: str | None = None
    decisive: bool = False
    statement: str = ""
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _proves_something(self) -> Rule:
        if (self.stage is None) == (self.finding is None):
            raise ValueError("a rule names either a stage or a finding")
        if self.finding and not self.statement:
            raise ValueError("a rule that names a finding says it in a statement")
        return self


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: list[Rule]


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that holds for a text."""

    rule: Rule
    text: str


class RuleBook:
    """All rules, by channel."""

    def __init__(self, rules: list[Rule]) -> None:
        self._by_channel: dict[str, list[Rule]] = {}
        for rule in rules:
            self._by_channel.setdefault(rule.channel, []).append(rule)

    def matches(self, channel: str, text: str) -> Iterator[Match]:
        """The rules of ``channel`` that ``text`` satisfies, in the order of the table."""
        for rule in self._by_channel.get(channel, ()):
            if rule.pattern.search(text) and not (rule.unless and rule.unless.search(text)):
                yield Match(rule, text)


def parse_rules(text: str, location: str) -> list[Rule]:
    """The rules in TOML ``text``; raises UsageError that names every fault at once."""
    try:
        return _Table.model_validate(tomllib.loads(text)).rule
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{location}: not TOML: {error}.") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        raise UsageError(f"{location}: {faults}.") from error


@cache
def shipped_rules() -> RuleBook:
    """The rules that come with harness."""
    text = resources.files(__package__).joinpath("rules.toml").read_text(encoding="utf-8")
    return RuleBook(parse_rules(text, "rules.toml"))
