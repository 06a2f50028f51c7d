"""A finding: one thing that is right or wrong with an image, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.model.table import shipped_table

Severity = Literal["error", "warning", "info"]

INITRAMFS_TOOLS = ("initramfs-tools", "dracut", "mkinitfs", "mkinitcpio")
"""Tools that make an initramfs. Remedies use their commands, or those of the distribution."""


class Finding(BaseModel):
    """A finding about an image or a run.

    ``id`` is a stable name that scripts may rely on. ``statement`` is one sentence. ``evidence``
    holds the lines, offsets or files that prove it, made printable. ``remedy`` says what to do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9]+(\.[a-z0-9-]+)+$")
    severity: Severity
    statement: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""


class Explanation(BaseModel):
    """The entry of a finding id in the catalog.

    ``meaning`` says what is wrong, ``seen`` how harness detects it, ``remedy`` how to fix it, with
    a command where there is one, and ``source`` where this is documented. ``remedies`` holds
    remedies for images with certain tags.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity
    meaning: str = Field(min_length=1)
    seen: str = Field(min_length=1)
    remedy: str = Field(min_length=1)
    remedies: Mapping[str, str] = Field(default_factory=dict)
    source: str = Field(min_length=1)

    def remedy_for(self, tags: Iterable[str]) -> str:
        """The remedy of the first tag in ``tags`` that has one; else the general remedy."""
        own = (self.remedies[tag] for tag in tags if tag in self.remedies)
        return next(own, self.remedy)


@cache
def finding_catalog() -> Mapping[str, Explanation]:
    """The explanation of every finding id, in the order of a run."""
    return shipped_table(__package__, "catalog.toml", dict[str, Explanation])


def finding_of_cause(findings: Iterable[Finding], cause: str | None) -> Finding | None:
    """The first finding whose id is ``cause``; None if missing."""
    return next((row for row in findings if row.id == cause), None)


def finding(
    finding_id: str,
    statement: str,
    evidence: tuple[str, ...] = (),
    remedy: str = "",
    tags: Iterable[str] = (),
) -> Finding:
    """Return a finding with its severity from the catalog.

    Without a ``remedy`` it has the one of the catalog for ``tags``. Raises KeyError for an id that
    is not in the catalog.
    """
    entry = finding_catalog()[finding_id]
    return Finding(
        id=finding_id,
        severity=entry.severity,
        statement=statement,
        evidence=evidence,
        remedy=remedy or entry.remedy_for(tags),
    )
