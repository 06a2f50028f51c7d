"""Checks of the drivers of the Linux on an ISO against the provider's machine.

An installer may load a driver that its initrd lacks from the ISO or the network, before it needs
its disk. A driver is proved to be missing only where no known source can provide it.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.hardware import VIRTIO_NIC_DRIVERS, disk_needs
from harness.evidence.guest_text import printable
from harness.image.iso.iso_image import IsoFacts
from harness.image.os.system import DriverPlace, IsoLinux
from harness.model.finding import Finding, finding
from harness.provider.profile import Profile

_REMEDY = (
    "Take a disc whose kernel or initrd has {names}, a newer one of the same distribution say; or "
    "add the modules to the initrd and make the disc again."
)
_DAMAGED_REMEDY = "Download the disc again, and hold it against the checksum that its makers give."


def may_have_linux(facts: IsoFacts) -> bool:
    """Tell whether the ISO has a known Linux, or no system that is known: it may be Linux."""
    return not facts.systems or has_linux(facts)


def has_linux(facts: IsoFacts) -> bool:
    """Tell whether a system on the ISO is known to be a Linux."""
    return any(row.starts for row in facts.systems)


def check_iso_linux(linux: IsoLinux, facts: IsoFacts, profile: Profile) -> list[Finding]:
    """Return the findings about the Linux that an ISO starts, or why its drivers are not known."""
    if linux.problem:
        return [unread_drivers(linux.problem)]
    return [*_kernel(linux), *_missing_drivers(linux, facts, profile)]


def unread_drivers(problem: str, remedy: str = "") -> Finding:
    """Return the finding about an ISO whose drivers were not read."""
    statement = f"The drivers on the disc were not looked at: {printable(problem, 300)}."
    return finding("linux.inside-unread", statement, (remedy,) if remedy else (), remedy)


def unknown_drivers(linux: IsoLinux, profile: Profile) -> tuple[str, ...]:
    """Return what is not known of the drivers that the installer needs for the disk and the NIC."""
    if linux.problem:
        return (printable(linux.problem, 300),)
    open_names = [
        name
        for name in dict.fromkeys((*disk_needs(profile).drivers, *VIRTIO_NIC_DRIVERS))
        if not _is_settled(linux, name)
    ]
    return tuple(
        printable(f"whether the installer gets {name}: {_describe_place(linux, name)}", 300)
        for name in open_names
    )


def driver_places(linux: IsoLinux) -> dict[str, DriverPlace]:
    """Return the place of each driver; "unknown" for one that the installer may load later."""
    return {
        name: "unknown" if place == "missing" and _may_come_later(linux, name) else place
        for name, place in linux.drivers.items()
    }


def describe_linux_drivers(linux: IsoLinux, profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield each topic and what was found; nothing where no kernel was read."""
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
        yield "disk", _describe_places(linux, disk_needs(profile).drivers)
        yield "network", _describe_places(linux, ("virtio_net",))


def _describe_places(linux: IsoLinux, names: tuple[str, ...]) -> str:
    """Describe where each driver is, with the file that says so."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_describe_place(linux, name), []).append(name)
    return "; ".join(f"{', '.join(drivers)}: {place}" for place, drivers in found.items())


def _describe_place(linux: IsoLinux, name: str) -> str:
    place = linux.drivers[name]
    if place == "initramfs":
        return f"initramfs ({linux.initrds[-1]})"
    if place == "unknown":
        return "not in the initrd, which does not say what is built in"
    if place == "missing" and _may_come_later(linux, name):
        return f"not in the initrd; may be in {linux.later}"
    return place


def _may_come_later(linux: IsoLinux, name: str) -> bool:
    return bool(linux.later) and name not in linux.needed_first


def _is_settled(linux: IsoLinux, name: str) -> bool:
    return driver_places(linux)[name] != "unknown"


def _kernel(linux: IsoLinux) -> Iterator[Finding]:
    if linux.kernel_fault:
        fault = printable(linux.kernel_fault, 200)
        statement = f"The kernel on the disc will not unpack itself: {fault}."
        evidence = (printable(linux.kernel, 200),)
        yield finding("linux.kernel-damaged", statement, evidence, _DAMAGED_REMEDY)


def _missing_drivers(linux: IsoLinux, facts: IsoFacts, profile: Profile) -> Iterator[Finding]:
    """Yield the findings about drivers that neither the initrd nor the ISO can provide."""
    what = _kernel_title(facts)
    disk = disk_needs(profile)
    rows = (
        (disk.linux_missing, disk.drivers, "disk"),
        ("linux.virtio-net-missing", VIRTIO_NIC_DRIVERS, "NIC"),
    )
    for finding_id, names, device in rows:
        absent = [name for name in names if driver_places(linux)[name] == "missing"]
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


def _kernel_title(facts: IsoFacts) -> str:
    if not facts.systems:
        return "The kernel on this disc"
    first = facts.systems[0]
    return (
        "The installer's kernel" if first.kind == "installer" else f"The kernel of {first.family}"
    )
