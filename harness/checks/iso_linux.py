"""The drivers of the Linux that a disc starts, held against the provider's machine.

An installer has time for its disk: what its initrd lacks may come from the disc or the network
before it is needed. A driver is proved to be missing only where nothing is known that may bring it.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.hardware import VIRTIO_NIC_DRIVERS, disk_needs
from harness.evidence.guest_text import printable
from harness.image.iso.iso import IsoFacts
from harness.image.os.system import IsoLinux, Place
from harness.model.finding import Finding, finding
from harness.provider.profile import Profile

_REMEDY = (
    "Take a disc whose kernel or initrd has {names}, a newer one of the same distribution say; or "
    "add the modules to the initrd and make the disc again."
)
_DAMAGED_REMEDY = "Download the disc again, and hold it against the checksum that its makers give."


def may_start_linux(facts: IsoFacts) -> bool:
    """Whether it is worth looking: a Linux is known to be on the disc, or nothing that is known."""
    return not facts.systems or knows_linux(facts)


def knows_linux(facts: IsoFacts) -> bool:
    """Whether a system on the disc is known to be a Linux."""
    return any(row.starts for row in facts.systems)


def check_iso_linux(linux: IsoLinux, facts: IsoFacts, profile: Profile) -> list[Finding]:
    """What speaks against the Linux that a disc starts, or why nothing is said of its drivers."""
    if linux.problem:
        return [unread(linux.problem)]
    return [*_kernel(linux), *_missing(linux, facts, profile)]


def unread(problem: str, remedy: str = "") -> Finding:
    """The finding about a disc whose drivers are not known."""
    statement = f"The drivers on the disc were not looked at: {printable(problem, 300)}."
    return finding("linux.inside-unread", statement, (remedy,) if remedy else (), remedy)


def unknown_of_iso(linux: IsoLinux, profile: Profile) -> tuple[str, ...]:
    """What would have to be known to say that the installer sees the disk and the NIC."""
    if linux.problem:
        return (printable(linux.problem, 300),)
    open_names = [
        name
        for name in dict.fromkeys((*disk_needs(profile).drivers, *VIRTIO_NIC_DRIVERS))
        if not _is_settled(linux, name)
    ]
    return tuple(
        printable(f"whether the installer gets {name}: {_place(linux, name)}", 300)
        for name in open_names
    )


def places_on_iso(linux: IsoLinux) -> dict[str, Place]:
    """Where each driver is: unknown what neither kernel nor initrd has, and may come later."""
    return {
        name: "unknown" if place == "missing" and _may_come(linux, name) else place
        for name, place in linux.drivers.items()
    }


def linux_in_words(linux: IsoLinux, profile: Profile) -> Iterator[tuple[str, str]]:
    """Topic and what was seen of it; nothing where nothing was read."""
    if not linux.kernel:
        return
    files = ", ".join((linux.kernel, *linux.initrds))
    known = ", ".join(filter(None, (linux.kernel_version, linux.kernel_architecture)))
    yield (
        "kernel",
        f"{files} ({linux.config or 'where such discs have them'})"
        + (f": {known}" if known else ""),
    )
    if not linux.problem:
        yield "disk", _in_words(linux, disk_needs(profile).drivers)
        yield "network", _in_words(linux, ("virtio_net",))


def _in_words(linux: IsoLinux, names: tuple[str, ...]) -> str:
    """Drivers by where they are, with the file that says so."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_place(linux, name), []).append(name)
    return "; ".join(f"{', '.join(drivers)}: {place}" for place, drivers in found.items())


def _place(linux: IsoLinux, name: str) -> str:
    place = linux.drivers[name]
    if place == "initramfs":
        return f"initramfs ({linux.initrds[-1]})"
    if place == "unknown":
        return "not in the initrd, which does not say what is built in"
    if place == "missing" and _may_come(linux, name):
        return f"not in the initrd; may be in {linux.later}"
    return place


def _may_come(linux: IsoLinux, name: str) -> bool:
    return bool(linux.later) and name not in linux.needed_first


def _is_settled(linux: IsoLinux, name: str) -> bool:
    return places_on_iso(linux)[name] != "unknown"


def _kernel(linux: IsoLinux) -> Iterator[Finding]:
    if linux.kernel_fault:
        fault = printable(linux.kernel_fault, 200)
        statement = f"The kernel on the disc will not unpack itself: {fault}."
        evidence = (printable(linux.kernel, 200),)
        yield finding("linux.kernel-damaged", statement, evidence, _DAMAGED_REMEDY)


def _missing(linux: IsoLinux, facts: IsoFacts, profile: Profile) -> Iterator[Finding]:
    """What is proved not to be there: nothing on the disc may bring it, either."""
    what = _what(facts)
    disk = disk_needs(profile)
    rows = (
        (disk.linux_missing, disk.drivers, "disk"),
        ("linux.virtio-net-missing", VIRTIO_NIC_DRIVERS, "NIC"),
    )
    for finding_id, names, device in rows:
        absent = [name for name in names if places_on_iso(linux)[name] == "missing"]
        if not absent:
            continue
        in_words = " and ".join(absent)
        statement = (
            f"{what} has no {in_words}, built in or in its initrd: it will not see the provider's "
            f"{device}."
        )
        files = tuple(printable(path, 160) for path in (linux.kernel, *linux.initrds))
        nothing = f"needed before anything comes from {linux.later}"
        why = nothing if linux.later else "nothing else on the disc may bring it"
        evidence = (printable(why, 160), *files)
        yield finding(finding_id, statement, evidence, _REMEDY.format(names=in_words))


def _what(facts: IsoFacts) -> str:
    if not facts.systems:
        return "The kernel on this disc"
    first = facts.systems[0]
    return (
        "The installer's kernel" if first.kind == "installer" else f"The kernel of {first.family}"
    )
