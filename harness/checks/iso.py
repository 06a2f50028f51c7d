"""Checks of an ISO against the provider's machine."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator

from harness.checks.iso_linux import describe_linux_drivers
from harness.checks.windows import describe_windows_drivers
from harness.evidence.guest_text import printable
from harness.image.disk.partitions import PartitionTable
from harness.image.iso.el_torito import BootEntry
from harness.image.iso.iso_image import IsoFacts, IsoSystem
from harness.image.os.system import IsoLinux, WindowsFacts
from harness.model.finding import Finding, finding
from harness.model.image import InspectedPart
from harness.provider.profile import Profile

_PVD_OFFSET = 32768
_NEEDED_ARCHITECTURE = "x86-64"
_FIRMWARE = {"bios": "BIOS", "efi": "UEFI", "other": "another firmware"}


def check_iso(facts: IsoFacts, profile: Profile) -> list[Finding]:
    """Return the findings about an ISO as such, and at this provider."""
    return [found for check in _CHECKS for found in check(facts, profile)]


def check_iso_in_disk(location: str, identifier: str) -> list[Finding]:
    """Return the finding about a disk image that holds an ISO."""
    name = f" {printable(identifier, 40)!r}" if identifier else ""
    statement = (
        f"The disk in this qcow2 holds the content of a disc{name}: a provider attaches a "
        "qcow2 as a disk, and a disc does not start from there."
    )
    evidence = (f"byte {_PVD_OFFSET} of the disk: CD001",)
    command = f"qemu-img convert -f qcow2 -O raw {shlex.quote(location)} disc.iso"
    return [finding("iso.data-in-disk-image", statement, evidence, command)]


def holds_an_iso(table: PartitionTable) -> bool:
    """Tell whether a disk with this partition table and an ISO's volume descriptor is an ISO.

    A partition that covers the descriptor belongs to a hybrid ISO. Partitions that leave it out
    show a disk that an ISO was once written to.
    """
    if not table.partitions:
        return True
    return any(
        part.start_bytes <= _PVD_OFFSET < part.start_bytes + part.size_bytes
        for part in table.partitions
    )


def describe_iso(facts: IsoFacts) -> str:
    """Describe the ISO in a few words: what is on it, and the firmware that starts it."""
    kind = "disc"
    if facts.systems:
        first = facts.systems[0]
        kind = f"{first.family} installer disc" if first.kind == "installer" else first.family
        kind += " live disc" if first.kind == "live" else ""
    starts = ["BIOS"] if facts.bios_entry else []
    if facts.efi_entries:
        architectures = ", ".join(facts.efi_architectures) or "of an unknown processor"
        starts.append(f"UEFI ({architectures})")
    how = f"starts from {' and '.join(starts)}" if starts else "starts from no firmware"
    name = f" {printable(facts.identifier, 40)!r}" if facts.identifier else ""
    return f"{kind}{name}, {how}"


def inspected_iso_parts(
    facts: IsoFacts,
    profile: Profile,
    windows: WindowsFacts | None = None,
    linux: IsoLinux | None = None,
) -> tuple[InspectedPart, ...]:
    """Return how an ISO starts, and the drivers of the system that it starts, made printable."""
    rows = [("boot path", _boot_path(facts.boot_entries))]
    if windows:
        rows.append(("installer", f"{windows.name} (boot.wim, {windows.volume})"))
        rows += describe_windows_drivers(windows, profile)
    if linux:
        rows += describe_linux_drivers(linux, profile)
    return tuple(InspectedPart(topic=topic, statement=printable(text, 300)) for topic, text in rows)


def _boot_path(entries: tuple[BootEntry, ...] | None) -> str:
    if not entries:
        return "no El Torito boot record" if entries is None else "no bootable El Torito entry"
    return ", ".join(
        f"El Torito entry for {_FIRMWARE[row.platform]} at byte {row.offset}"
        + ("" if row.target == "present" else f" ({row.target})")
        for row in entries
    )


def find_windows(facts: IsoFacts) -> IsoSystem | None:
    """Return the Windows that an ISO starts (an installer or Windows PE), or None."""
    return next((row for row in facts.systems if row.family.startswith("Windows")), None)


def _malformed(facts: IsoFacts, _: Profile) -> Iterator[Finding]:
    if facts.faults:
        offset, what = facts.faults[0]
        evidence = tuple(f"byte {offset}: {what}" for offset, what in facts.faults[:8])
        yield finding("iso.malformed", f"The disc is malformed at byte {offset}: {what}.", evidence)


def _truncated(facts: IsoFacts, _: Profile) -> Iterator[Finding]:
    if facts.missing_bytes and facts.volume:
        statement = (
            f"The file is cut off: the disc is {facts.volume.size_bytes} bytes large by its own "
            f"word, and {facts.missing_bytes} of them are missing."
        )
        evidence = (f"byte {_PVD_OFFSET + 80}: volume space size",)
        yield finding("format.truncated", statement, evidence)


def _not_bootable(facts: IsoFacts, _: Profile) -> Iterator[Finding]:
    if facts.missing_bytes:
        return
    if facts.boot_entries is None:
        statement = "The disc holds data and no boot record: no machine starts from it."
        yield finding("iso.not-bootable", statement, ("sector 17: no El Torito boot record",))
        return
    if not facts.boot_entries:
        statement = "The boot catalog of the disc has no bootable entry."
        yield finding("iso.not-bootable", statement)
        return
    useful = [row for row in facts.boot_entries if row.target == "present"]
    if not useful:
        evidence = tuple(
            f"{row.platform} entry: byte {row.offset} is {row.target}" for row in facts.boot_entries
        )
        statement = "What the boot catalog of the disc points at is not there."
        yield finding("iso.not-bootable", statement, evidence)


def _firmware(facts: IsoFacts, profile: Profile) -> Iterator[Finding]:
    bios = facts.bios_entry is not None and facts.bios_entry.target == "present"
    wanted = profile.machine.firmware.value
    if wanted == "bios" and not bios and facts.efi_entries:
        statement = f"The disc starts from UEFI only; {profile.firmware_description}."
        evidence = ("boot catalog: the initial entry is not for platform 0 (x86 BIOS)",)
        yield finding("firmware.uefi-only", statement, evidence)
    elif wanted == "uefi" and bios and not _starts_from_uefi(facts):
        statement = f"The disc starts from a BIOS only; {profile.firmware_description}."
        found = ", ".join(facts.efi_architectures) or "none"
        evidence = (f"boot catalog: entries for platform 0xEF (UEFI) with a loader for: {found}",)
        yield finding("firmware.bios-only", statement, evidence)


def _starts_from_uefi(facts: IsoFacts) -> bool:
    """Tell whether UEFI starts it; a loader that could not be read is taken to fit."""
    known = facts.efi_architectures
    present = any(entry.target == "present" for entry in facts.efi_entries)
    return present and (not known or _NEEDED_ARCHITECTURE in known)


def _architecture(facts: IsoFacts, _: Profile) -> Iterator[Finding]:
    found = facts.efi_architectures
    if found and _NEEDED_ARCHITECTURE not in found and not facts.bios_entry:
        statement = f"The disc is for {', '.join(found)}; the provider's machines are x86-64."
        evidence = tuple(f"EFI boot loader for {name}" for name in found)
        yield finding("arch.not-x86-64", statement, evidence)


def _no_installer(facts: IsoFacts, _: Profile) -> Iterator[Finding]:
    if not facts.boot_entries or facts.missing_bytes or not facts.complete:
        return
    if not facts.systems:
        statement = "The disc starts, and no installer that is known is on it."
        yield finding("iso.no-installer", statement)
    elif all(row.kind == "live" for row in facts.systems):
        statement = (
            f"The disc is a live system ({facts.systems[0].family}); whether it can install "
            "itself is not known."
        )
        yield finding("iso.no-installer", statement)


def _windows(facts: IsoFacts, profile: Profile) -> Iterator[Finding]:
    policy = profile.images.windows_permitted
    if policy and not policy.value and find_windows(facts):
        statement = f"The disc is of Windows; {profile.title} does not permit own Windows images."
        yield finding("windows.licence", statement, (policy.source,))


_CHECKS: tuple[Callable[[IsoFacts, Profile], Iterator[Finding]], ...] = (
    _malformed,
    _truncated,
    _not_bootable,
    _firmware,
    _architecture,
    _no_installer,
    _windows,
)
