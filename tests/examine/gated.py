"""A file of this host at the gate: what is found, held against Contabo."""

from __future__ import annotations

from pathlib import Path

from harness.examine.gate import GateResult, gate
from harness.examine.image_report import ImageFacts, examine
from harness.image.source import LocalFile
from harness.provider.profile import load_profile


def gate_of(path: Path) -> GateResult:
    with LocalFile(path) as source:
        return gate(source, load_profile("contabo"))


def ids(path: Path) -> list[str]:
    return [row.id for row in gate_of(path).findings]


def examined(path: Path) -> ImageFacts:
    return examine(str(path), load_profile("contabo"), inside=False)
