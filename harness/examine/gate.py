"""The gate: checks of an image before any tool opens it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.checks.container import check_container, check_qcow2, describe_qcow2
from harness.checks.iso import check_iso, check_iso_in_disk, describe_iso, holds_an_iso
from harness.checks.size import check_size
from harness.image.container.formats import identify
from harness.image.container.qcow2 import L2_BUDGET_BYTES, Qcow2Facts, read_qcow2
from harness.image.container.qcow2_disk import Qcow2Disk
from harness.image.disk.partitions import read_partitions
from harness.image.iso.iso_image import IsoFacts, read_iso
from harness.image.source import UNKNOWN_SIZE_BYTES, ImageSource, OutOfReachError
from harness.model.finding import Finding
from harness.provider.profile import Profile

# The findings about the file itself. The rest is about its content, and a boot may refute it.
_STOPS = ("format.", "size.", "qcow2.", "iso.", "url.")


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of the gate.

    ``virtual_size_bytes`` is the disk's, None for an ISO. ``content`` describes in words what is
    in the file, "" where nothing was read. ``file_size_bytes`` is None where a server does not
    tell it. ``iso`` holds the facts of an ISO, ``container`` describes a qcow2 in words.
    """

    format: str
    content: str
    file_size_bytes: int | None
    virtual_size_bytes: int | None
    findings: tuple[Finding, ...]
    iso: IsoFacts | None = None
    container: str = ""

    @property
    def passes(self) -> bool:
        """True where there is no error that rules out a boot."""
        return not any(
            row.severity == "error" and row.id.startswith(_STOPS) for row in self.findings
        )


def gate(
    source: ImageSource, profile: Profile, l2_budget_bytes: int = L2_BUDGET_BYTES
) -> GateResult:
    """Check ``source`` against ``profile``; reads a few MiB at most."""
    container = identify(source)
    findings = check_container(container, source.location, profile)
    content, virtual_size_bytes, iso, in_words = "", None, None, ""
    if container.polyglot:
        pass
    elif container.format == "qcow2":
        qcow2 = read_qcow2(source, l2_budget_bytes)
        virtual_size_bytes = qcow2.virtual_size_bytes
        findings += check_qcow2(qcow2, source.location)
        in_words = describe_qcow2(qcow2)
        findings += _check_for_iso_in_disk(source, qcow2, findings)
    elif container.format == "iso":
        iso = read_iso(source)
        content = describe_iso(iso)
        findings += check_iso(iso, profile)
    file_size_bytes = None if source.size_bytes == UNKNOWN_SIZE_BYTES else source.size_bytes
    findings += check_size(file_size_bytes, virtual_size_bytes, profile)
    return GateResult(
        format=container.format,
        content=content,
        file_size_bytes=file_size_bytes,
        virtual_size_bytes=virtual_size_bytes,
        findings=tuple(findings),
        iso=iso,
        container=in_words,
    )


def _check_for_iso_in_disk(
    source: ImageSource, qcow2: Qcow2Facts, findings: list[Finding]
) -> list[Finding]:
    """Return the finding about an ISO that was converted to a qcow2 disk."""
    if any(row.severity == "error" for row in findings):
        return []
    disk = Qcow2Disk(source, qcow2)
    try:
        if identify(disk).format != "iso":
            return []
        if not holds_an_iso(read_partitions(disk)):
            return []
        iso = read_iso(disk)
    except OutOfReachError:
        return []
    return check_iso_in_disk(source.location, iso.identifier)
