"""Checks of the drivers of a Windows, on a disk or an ISO, against the provider's machine."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.hardware import disk_needs
from harness.evidence.guest_text import printable
from harness.image.os.system import DriverFacts, WindowsFacts
from harness.model.finding import Finding, finding
from harness.provider.profile import Profile

_ISO_REMEDY = (
    "Add {driver} and NetKVM of virtio-win to the image of sources/boot.wim that starts (2 on "
    "Microsoft's discs), and to install.wim for the system that it installs. On Windows: dism "
    "/Mount-Image /ImageFile:boot.wim /Index:2 /MountDir:M, dism /Image:M /Add-Driver /Driver:DIR, "
    "dism /Unmount-Image /MountDir:M /Commit. Loading them from a second CD needs a provider that "
    "attaches one."
)
_ISO_NIC_REMEDY = "Add NetKVM of virtio-win to the same images as {driver}, in the same way."


def check_drivers(windows: WindowsFacts, profile: Profile) -> Iterator[Finding]:
    """Yield the findings about drivers that a Windows on a disk lacks.

    Nothing where its registry was not read.
    """
    name = printable(windows.name, 80)
    needs, disk = disk_needs(profile), _disk(windows, profile)
    if _lacks_disk(disk):
        statement = f"{name} has no driver for a {needs.title} disk at boot."
        yield _driver_finding(needs.windows_missing, statement, disk)
    if _lacks_nic(windows):
        yield _driver_finding(
            "windows.virtio-net-missing", f"{name} has no driver for a virtio NIC.", windows.nic
        )


def check_setup(windows: WindowsFacts, what: str, profile: Profile) -> Iterator[Finding]:
    """Yield the findings about drivers that ``what``, the system that an ISO starts, lacks.

    Nothing where nothing was read. The system runs from memory, so it may find its disk later:
    Windows PE also loads drivers that are only staged in the driver store (Microsoft, KB 2686316).
    """
    image = f"boot.wim, {printable(windows.volume, 120)}"
    needs, disk = disk_needs(profile), _disk(windows, profile)
    driver = disk.service if disk else ""
    if _lacks_disk(disk) and not _is_staged(disk):
        statement = (
            f"{what} on this disc has no driver for a {needs.title} disk: it will show no disk to "
            "install to."
        )
        remedy = _ISO_REMEDY.format(driver=driver)
        yield _driver_finding(needs.windows_missing, statement, disk, image, remedy)
    if _lacks_nic(windows):
        statement = f"{what} on this disc has no driver for a virtio NIC."
        yield _driver_finding(
            "windows.virtio-net-missing",
            statement,
            windows.nic,
            image,
            _ISO_NIC_REMEDY.format(driver=driver),
        )


def describe_windows_drivers(windows: WindowsFacts, profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield each topic and what was found; nothing where nothing was read."""
    for topic, driver in (("disk", _disk(windows, profile)), ("network", windows.nic)):
        if driver:
            yield topic, ", ".join(_evidence(driver))


def _driver_finding(
    finding_id: str, statement: str, driver: DriverFacts | None, image: str = "", remedy: str = ""
) -> Finding:
    evidence = (*([image] if image else []), *(_evidence(driver) if driver else ()))
    return finding(finding_id, statement, evidence, remedy)


def _disk(windows: WindowsFacts, profile: Profile) -> DriverFacts | None:
    """Return its driver for the provider's disk; None where nothing was read."""
    return windows.block if profile.machine.disk_bus.value == "virtio-blk" else windows.disk


def _lacks_disk(driver: DriverFacts | None) -> bool:
    """Tell whether a disk driver is missing, not bound to the device, or not started at boot."""
    return driver is not None and not (driver.file and driver.bound_by and driver.start == 0)


def _lacks_nic(windows: WindowsFacts) -> bool:
    """Tell whether the NIC driver is missing.

    Plug and Play also installs, after the boot, a driver that is only staged in the driver store.
    """
    driver = windows.nic
    if driver is None or _is_staged(driver):
        return False
    return not (driver.file and driver.bound_by and driver.start in (0, 1, 2, 3))


def _is_staged(driver: DriverFacts | None) -> bool:
    """Tell whether a driver is staged in the driver store and bound to its device."""
    return driver is not None and bool(driver.staged and driver.bound_by)


def _evidence(driver: DriverFacts) -> tuple[str, ...]:
    start = "no service" if driver.start is None else f"Start = {driver.start}"
    rows = (
        f"Services\\{driver.service}: {start}",
        f"bound by: {printable(driver.bound_by, 120) or 'no key'}",
        f"driver file: {printable(driver.file, 120) or 'not there'}",
    )
    return (*rows, f"driver store: {printable(driver.staged, 160)}") if driver.staged else rows
