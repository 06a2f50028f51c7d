"""The facts of an image before its boot: the gate, then the inspection of what passes it.

A file and a link give the same kind of facts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from harness.checks.container import check_consistency
from harness.checks.inside import check_inside, describe_disk, inspected_disk_parts, predict
from harness.checks.iso import find_windows, inspected_iso_parts
from harness.checks.iso_linux import (
    check_iso_linux,
    driver_places,
    has_linux,
    may_have_linux,
    unknown_drivers,
    unread_drivers,
)
from harness.checks.link import check_link, link_finding
from harness.checks.windows import check_setup
from harness.evidence.guest_text import printable
from harness.examine.child import Inspection, inspect, inspect_iso
from harness.examine.gate import GateResult, gate
from harness.examine.windows_setup import SetupFacts, inspect_setup
from harness.image.container.qemu_check import check_with_qemu
from harness.image.iso.iso_image import IsoFacts, IsoSystem
from harness.image.source import LocalFile
from harness.model.finding import Finding, finding
from harness.model.image import InspectedPart, Medium, Prediction
from harness.net.checksums import Checksum
from harness.net.link import LinkError, is_url, without_password
from harness.provider.profile import Profile

if TYPE_CHECKING:
    from harness.net.download import Download

_log = logging.getLogger(__name__)

_LINK_REMEDY = "Download the disc; harness check looks at the drivers on a file."
_LINK_SETUP = SetupFacts(
    problem="of a link, the hundreds of MB of boot.wim are not fetched",
    remedy=_LINK_REMEDY,
)
_LINK_ISO = Inspection(problem="of a link, the kernel and the initrd are not fetched")
# Of the tables of a remote qcow2: with its header and first clusters, well below the budget.
_REMOTE_L2_BYTES = 384 << 10
# The limit for a download where the provider has none: a server may send without end.
_MAX_DOWNLOAD_BYTES = 16 << 40


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The facts of an image before its boot.

    ``path`` is the file on this host, None for a link that was not downloaded. ``format`` is
    ``unknown`` where nothing could be fetched. ``final_url`` is the URL after all redirects.
    ``prediction`` follows from what was found ``inside``. ``tags`` choose the commands in
    remedies. ``drivers`` gives the place of each Linux driver; with ``drivers_on_demand`` an
    installer loads more of them as it runs. ``iso`` holds the facts of an ISO. ``bytes_read`` and
    ``took_s`` are the cost of the examination. ``held`` keeps a cached file from being removed.
    """

    location: str
    path: Path | None
    format: str
    content: str
    file_size_bytes: int | None
    virtual_size_bytes: int | None
    findings: tuple[Finding, ...]
    passes: bool
    bytes_read: int
    took_s: float
    final_url: str | None = None
    held: BinaryIO | None = None
    prediction: Prediction = Prediction()
    inside: tuple[InspectedPart, ...] = ()
    tags: tuple[str, ...] = ()
    drivers: Mapping[str, str] = field(default_factory=dict)
    drivers_on_demand: bool = False
    iso: IsoFacts | None = None

    @property
    def medium(self) -> Medium:
        """The medium that the machine starts from: a disk or an ISO."""
        return "iso" if self.format == "iso" else "disk"

    @property
    def file(self) -> Path:
        """The path of the image on this host; raises ValueError where it was not downloaded."""
        if self.path is None:
            raise ValueError(f"{self.location}: was not downloaded")
        return self.path


def examine(location: str, profile: Profile, *, inside: bool = True) -> ImageFacts:
    """Return the facts of the file or link at ``location``, checked against ``profile``.

    With ``inside``, also those of the system on its disk; without it, less than a megabyte of a
    link is fetched. Raises UsageError where it is neither, HostError where this host cannot read
    it.
    """
    started_s = time.monotonic()
    if is_url(location):
        facts = _examine_link(location, profile)
    else:
        facts = _examine_file(Path(location), profile)
    if inside:
        facts = _inspect_content(facts, location, profile)
    passes = "passes" if facts.passes else "does not pass"
    ids = ", ".join(row.id for row in facts.findings)
    _log.info("%s %s: %s", facts.location, passes, ids or "no findings")
    return replace(facts, took_s=time.monotonic() - started_s)


def unexamined_facts(location: str) -> ImageFacts:
    """Return the empty facts of an image that this host could not read."""
    return ImageFacts(
        location=without_password(location),
        path=None,
        format="unknown",
        content="",
        file_size_bytes=None,
        virtual_size_bytes=None,
        findings=(),
        passes=False,
        bytes_read=0,
        took_s=0.0,
    )


def fetch(
    facts: ImageFacts,
    url: str,
    profile: Profile,
    progress: Callable[[int, int | None], None],
    expected: Checksum | str | None,
) -> ImageFacts:
    """Download the image and examine it again: a server may give other bytes than before.

    ``expected`` is the checksum, or the link or name of a file of checksums. ``progress`` is
    called with the bytes so far and the total (None where it is not known). Blocks until the file
    is complete. Raises HostError where this host has no space or no network.
    """
    # Here and below: the HTTP client takes a while to import, and most images are files.
    from harness.net.download import ChecksumError, DownloadLimits, download

    limit = profile.images.max_size_bytes
    limits = DownloadLimits(max_bytes=limit.value if limit else _MAX_DOWNLOAD_BYTES)
    try:
        got = asyncio.run(download(url, limits, progress, expected))
    except LinkError as error:
        return _with_finding(facts, link_finding(error))
    except ChecksumError as error:
        statement = f"The file is not the one that {error.source} names."
        evidence = (f"expected {error.expected}", f"found    {error.found}")
        return _with_finding(facts, finding("url.checksum-mismatch", statement, evidence))
    fetched_s = time.monotonic()
    local = _inspect_content(_examine_file(got.path, profile), str(got.path), profile)
    of_link = (row for row in facts.findings if row.id.startswith("url."))
    of_file = tuple(row for row in local.findings if row.id != "format.name-mismatch")
    return replace(
        local,
        location=facts.location,
        took_s=facts.took_s + time.monotonic() - fetched_s,
        final_url=facts.final_url,
        findings=(*of_link, _verification(got), *of_file),
        held=got.lock_file,
    )


def _verification(got: Download) -> Finding:
    """Return the finding that tells how a download was verified, or that it was not."""
    digest = f"sha256 {got.sha256}"
    if got.verified_by:
        source = printable(got.verified_by, 200)
        return finding("url.verified", f"The file is the one that {source} names.", (digest,))
    statement = "The download was not verified: there is no checksum file beside it."
    return finding("url.not-verified", statement, (digest,))


def _with_finding(facts: ImageFacts, found: Finding) -> ImageFacts:
    return replace(facts, findings=(*facts.findings, found), passes=False)


def _examine_file(path: Path, profile: Profile) -> ImageFacts:
    with LocalFile(path) as source:
        gate_result = gate(source, profile)
        bytes_read = source.bytes_read
    findings = list(gate_result.findings)
    if gate_result.format == "qcow2" and gate_result.passes:
        findings += check_consistency(check_with_qemu(path), str(path))
    passes = gate_result.passes and all(row.id != "qcow2.corrupt" for row in findings)
    return _facts(gate_result, str(path), path, tuple(findings), bytes_read, passes=passes)


def _inspect_content(facts: ImageFacts, location: str, profile: Profile) -> ImageFacts:
    """Return the facts with those of the disk or ISO in it, where the container is sound."""
    if facts.passes and facts.iso:
        return _inspect_iso(facts, facts.iso, location, profile)
    if not facts.passes or facts.format != "qcow2":
        return facts
    found = inspect(location)
    if found.disk is None:
        statement = f"The disk was not looked into: {printable(found.problem, 300)}."
        unread = finding("linux.inside-unread", statement)
        prediction = Prediction(unknown=(printable(found.problem, 300),))
        return replace(facts, findings=(*facts.findings, unread), prediction=prediction)
    rows = check_inside(found.disk, profile)
    prediction = predict(found.disk, rows, profile)
    if prediction.will_boot is None:
        unknown = tuple(printable(row, 300) for row in prediction.unknown)
        statement = "Not all was found inside the disk that a prediction needs."
        rows.append(finding("linux.inside-unread", statement, unknown))
    return replace(
        facts,
        content=describe_disk(found.disk),
        findings=(*facts.findings, *rows),
        bytes_read=facts.bytes_read + found.bytes_read,
        prediction=prediction,
        inside=(*facts.inside, *inspected_disk_parts(found.disk, profile)),
        tags=found.disk.linux.tags if found.disk.linux else (),
        drivers=found.disk.linux.drivers if found.disk.linux else {},
    )


def _inspect_iso(facts: ImageFacts, iso: IsoFacts, location: str, profile: Profile) -> ImageFacts:
    """Return the facts with how the ISO starts, and whether its system finds the disk."""
    system = find_windows(iso)
    if system is None:
        return _inspect_linux_iso(facts, iso, location, profile)
    setup = _LINK_SETUP if is_url(location) else inspect_setup(Path(location))
    rows = _check_windows_setup(setup, system, profile)
    unknown = tuple(row.statement for row in rows if row.id == "windows.inside-unread")
    return replace(
        facts,
        findings=(*facts.findings, *rows),
        bytes_read=facts.bytes_read + setup.bytes_read,
        prediction=Prediction(unknown=unknown),
        inside=inspected_iso_parts(iso, profile, setup.windows),
    )


def _inspect_linux_iso(
    facts: ImageFacts, iso: IsoFacts, location: str, profile: Profile
) -> ImageFacts:
    """Return the facts with how the ISO starts, and the places of the installer's drivers."""
    of_link = is_url(location)
    if not may_have_linux(iso) or (of_link and not has_linux(iso)):
        return replace(facts, inside=inspected_iso_parts(iso, profile))
    found = _LINK_ISO if of_link else inspect_iso(Path(location))
    linux = found.iso
    if linux is None:
        rows = (
            [unread_drivers(found.problem, _LINK_REMEDY if of_link else "")]
            if found.problem
            else []
        )
        unknown: tuple[str, ...] = (printable(found.problem, 300),) if found.problem else ()
    else:
        rows, unknown = check_iso_linux(linux, iso, profile), unknown_drivers(linux, profile)
    return replace(
        facts,
        findings=(*facts.findings, *rows),
        bytes_read=facts.bytes_read + found.bytes_read,
        prediction=Prediction(unknown=unknown),
        inside=inspected_iso_parts(iso, profile, linux=linux),
        drivers=driver_places(linux) if linux and not linux.problem else {},
        drivers_on_demand=linux is not None and linux.on_demand,
    )


def _check_windows_setup(setup: SetupFacts, system: IsoSystem, profile: Profile) -> list[Finding]:
    """Return the findings about the Windows on an ISO, or why its drivers are not known."""
    if setup.windows is None:
        problem = printable(setup.problem, 300)
        statement = f"The drivers on the disc were not looked at: {problem}."
        evidence: tuple[str, ...] = (setup.remedy,) if setup.remedy else ()
        return [finding("windows.inside-unread", statement, evidence, setup.remedy)]
    what = "The installer" if system.kind == "installer" else f"The {system.family}"
    rows = list(check_setup(setup.windows, what, profile))
    if rows and setup.driver_sources:
        sources = printable(" and ".join(setup.driver_sources), 200)
        statement = (
            "Whether the installer finds the disk is not known: boot.wim has not all drivers, and "
            f"Setup loads others from {sources}."
        )
        evidence = tuple(line for row in rows for line in row.evidence)
        return [finding("windows.inside-unread", statement, evidence)]
    return rows


def _examine_link(url: str, profile: Profile) -> ImageFacts:
    from harness.net.remote import RemoteFile

    source = RemoteFile(url)
    try:
        with source:
            link = source.facts
            gate_result = gate(source, profile, l2_budget_bytes=_REMOTE_L2_BYTES)
    except LinkError as error:
        found = (link_finding(error),)
        return replace(unexamined_facts(url), findings=found, bytes_read=source.bytes_read)
    findings = (*gate_result.findings, *check_link(link))
    facts = _facts(
        gate_result, source.location, None, findings, source.bytes_read, passes=gate_result.passes
    )
    return replace(facts, final_url=link.final_url)


def _facts(
    gate_result: GateResult,
    location: str,
    path: Path | None,
    findings: tuple[Finding, ...],
    bytes_read: int,
    *,
    passes: bool,
) -> ImageFacts:
    container = InspectedPart(topic="container", statement=gate_result.container)
    return ImageFacts(
        location=location,
        path=path,
        format=gate_result.format,
        content=gate_result.content,
        file_size_bytes=gate_result.file_size_bytes,
        virtual_size_bytes=gate_result.virtual_size_bytes,
        findings=findings,
        passes=passes,
        bytes_read=bytes_read,
        took_s=0.0,
        iso=gate_result.iso,
        inside=(container,) if gate_result.container else (),
    )
