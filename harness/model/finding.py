"""A finding: one thing that is right or wrong with an image, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.model.table import shipped_table

Severity = Literal["error", "warning", "info"]

INITRAMFS_TOOLS = ("initramfs-tools", "dracut", "mkinitfs", "mkinitcpio")
"""What makes an initramfs. Remedies are said in its commands, or in those of the distribution."""


class Finding(BaseModel):
    """One thing to tell a person.

    ``id`` is a stable name that scripts may rely on. ``statement`` is one sentence. ``evidence``
    are the lines, offsets or files that prove it, made printable. ``remedy`` says what to do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9]+(\.[a-z0-9-]+)+$")
    severity: Severity
    statement: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""


class Explanation(BaseModel):
    """What the catalog knows of an id.

    ``meaning``: what is the case. ``seen``: how that is found out. ``remedy``: what mends it, with
    a command where there is one. ``source``: where it is known from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity
    meaning: str = Field(min_length=1)
    seen: str = Field(min_length=1)
    remedy: str = Field(min_length=1)
    remedies: Mapping[str, str] = Field(default_factory=dict)
    source: str = Field(min_length=1)

    def remedy_for(self, tags: Iterable[str]) -> str:
        """The remedy for an image with these ``tags``: that of the first one that has its own."""
        own = (self.remedies[tag] for tag in tags if tag in self.remedies)
        return next(own, self.remedy)


@cache
def catalog() -> Mapping[str, Explanation]:
    """Every id of the contract with its explanation, in the order of a run."""
    return shipped_table(__package__, "catalog.toml", dict[str, Explanation])


def deciding(findings: Iterable[Finding], cause: str | None) -> Finding | None:
    """The first of ``findings`` that is the ``cause``; None where none decided."""
    return next((row for row in findings if row.id == cause), None)


def finding(
    finding_id: str,
    statement: str,
    evidence: tuple[str, ...] = (),
    remedy: str = "",
    tags: Iterable[str] = (),
) -> Finding:
    """A finding of the catalog; its remedy is the catalog's for ``tags`` where none is given.

    Raises KeyError for an id that the catalog does not know.
    """
    entry = catalog()[finding_id]
    return Finding(
        id=finding_id,
        severity=entry.severity,
        statement=statement,
        evidence=evidence,
        remedy=remedy or entry.remedy_for(tags),
    )
