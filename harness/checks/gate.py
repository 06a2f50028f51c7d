"""The gate: what is known of an image before any tool opens it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.checks.container import check_container, check_qcow2
from harness.checks.finding import Finding
from harness.checks.size import check_size
from harness.image.container import identify
from harness.image.qcow2 import Qcow2Facts, read_qcow2
from harness.image.source import ImageSource
from harness.provider.profile import Profile


@dataclass(frozen=True, slots=True)
class Gate:
    """What the bytes say. ``virtual_size_bytes`` is the disk's, None where there is none."""

    format: str
    file_size_bytes: int
    virtual_size_bytes: int | None
    qcow2: Qcow2Facts | None
    findings: tuple[Finding, ...]

    @property
    def passes(self) -> bool:
        """Whether nothing is wrong that no boot could outweigh."""
        return all(row.severity != "error" for row in self.findings)


def gate(source: ImageSource, profile: Profile) -> Gate:
    """Look at ``source`` and hold it against ``profile``; reads a few MiB at most."""
    container = identify(source)
    findings = check_container(container, source.location, profile)
    qcow2 = None
    if container.format == "qcow2" and not container.polyglot:
        qcow2 = read_qcow2(source)
        findings += check_qcow2(qcow2, source.location)
    virtual_size_bytes = qcow2.virtual_size_bytes if qcow2 else None
    findings += check_size(source.size_bytes, virtual_size_bytes, profile)
    return Gate(container.format, source.size_bytes, virtual_size_bytes, qcow2, tuple(findings))
