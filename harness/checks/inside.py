"""Checks of the system on a disk against the provider's machine, and the boot they predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from harness.checks.hardware import datasource, disk_needs, seed_needs
from harness.checks.windows import check_drivers, describe_windows_drivers
from harness.evidence.guest_text import printable
from harness.image.os.system import BlacklistedDriver, DeviceName, DiskFacts, LinuxFacts
from harness.model.finding import Finding, finding
from harness.model.image import InspectedPart, Prediction
from harness.provider.profile import Profile

_NEEDED_ARCHITECTURE = "x86-64"
_EARLY = ("built in", "initramfs")
_AT_ALL = ("built in", "initramfs", "root")

# What keeps a machine from coming up; the rest keeps it from the network or the seed.
_BLOCKING = frozenset(
    {
        "disk.empty",
        "disk.no-bootloader",
        "disk.encrypted",
        "firmware.uefi-only",
        "firmware.bios-only",
        "firmware.no-fallback-loader",
        "firmware.not-signed",
        "arch.not-x86-64",
        "linux.no-kernel",
        "linux.virtio-scsi-missing",
        "linux.kernel-damaged",
        "linux.boot-waits",
        "linux.no-init",
        "linux.root-damaged",
        "linux.root-device-name",
        "linux.root-missing",
        "windows.virtio-scsi-missing",
        "linux.virtio-blk-missing",
        "windows.virtio-blk-missing",
    }
)


def inspected_disk_parts(facts: DiskFacts, profile: Profile) -> tuple[InspectedPart, ...]:
    """Return the parts of a boot in their order, each with what was found, made printable."""
    efi = f"; \\EFI\\BOOT: {', '.join(facts.efi_architectures)}" if facts.efi_architectures else ""
    rows = [("boot path", facts.bios_evidence + efi)]
    linux = facts.linux
    if linux:
        files = ", ".join((linux.kernel, *linux.initrds)) if linux.kernel else "none"
        rows.append(("kernel", f"{files} ({linux.config or 'the only one in /boot'})"))
        rows.append(("disk", _describe_drivers(linux, _disk_drivers(linux, profile))))
        rows.append(("network", _describe_drivers(linux, ["virtio_net"])))
        if seed_drivers := seed_needs(profile).drivers:
            rows.append(("seed", _describe_drivers(linux, list(seed_drivers))))
        hidden = facts.encrypted and not linux.root_type
        in_words = "not seen: the root is encrypted" if hidden else _describe_cloud_init(linux)
        rows.append(("cloud-init", in_words))
    elif facts.windows:
        rows += describe_windows_drivers(facts.windows, profile)
    return tuple(InspectedPart(topic=topic, statement=printable(text, 300)) for topic, text in rows)


def _describe_drivers(linux: LinuxFacts, names: list[str]) -> str:
    """Describe where each driver is, with the file that says so."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(linux.drivers[name], []).append(name)
    files = {
        "built in": f"{linux.modules}/modules.builtin" if linux.modules else "",
        "initramfs": linux.initrds[-1] if linux.initrds else "",
        "root": f"{linux.modules}/modules.dep",
    }
    return "; ".join(
        f"{', '.join(drivers)}: {place}{_in_brackets(files.get(place, ''))}"
        for place, drivers in found.items()
    )


def _in_brackets(path: str) -> str:
    return f" ({path})" if path else ""


def _describe_cloud_init(linux: LinuxFacts) -> str:
    cloud = linux.cloud_init
    if not cloud.installed:
        return cloud.stand_in or "not installed"
    if cloud.disabled_by:
        how = f"disabled{_in_brackets(cloud.disabled_by)}"
    else:
        how = f"enabled{_in_brackets(cloud.started_by)}" if cloud.enabled else "not enabled"
    text = f"installed{_in_brackets(cloud.program)}, {how}"
    if cloud.datasources:
        text += f", datasources {', '.join(cloud.datasources)}{_in_brackets(cloud.datasources_in)}"
    return text


def check_inside(facts: DiskFacts, profile: Profile) -> list[Finding]:
    """Return the findings about the system on a disk."""
    found = [row for check in _DISK_CHECKS for row in check(facts, profile)]
    if facts.linux:
        # What is not seen may be behind the encryption.
        rows = _LINUX_CHECKS if facts.linux.root_type or not facts.encrypted else _BOOT_CHECKS
        found += [row for check in rows for row in check(facts.linux, facts, profile)]
    return found


def describe_disk(facts: DiskFacts) -> str:
    """Describe the disk in a few words: the system, its kernel, the firmware that starts it."""
    if facts.empty:
        return "an empty disk"
    system = "no system that is known here"
    if facts.linux:
        version = facts.linux.kernel_version
        system = facts.linux.name + (f", kernel {version}" if version else "")
    elif facts.windows:
        system = facts.windows.name or "Windows"
    starts = ["BIOS"] if facts.bios_starts else []
    if facts.efi_architectures:
        starts.append(f"UEFI ({', '.join(facts.efi_architectures)})")
    if facts.bios_starts is None:
        starts.insert(0, "BIOS perhaps")
    how = f"starts from {' and '.join(starts)}" if starts else "starts from no firmware"
    return printable(f"{system}; {how}", 300)


def predict(facts: DiskFacts, findings: list[Finding], profile: Profile) -> Prediction:
    """Predict the boot of a disk with these findings. Never a guess."""
    because = tuple(
        row.id for row in findings if row.id in _BLOCKING and not _boots_anyway(row, facts, profile)
    )
    if because:
        return Prediction(will_boot=False, because=because)
    unknown = tuple(_unknown_facts(facts, profile))
    return Prediction(will_boot=None if unknown else True, unknown=unknown)


def _boots_anyway(row: Finding, facts: DiskFacts, profile: Profile) -> bool:
    """Tell whether a finding that blocks other systems leaves this one able to boot.

    An i386 kernel starts on an x86-64 machine; a mount with nofail may be missing.
    """
    linux = facts.linux
    if row.id == "arch.not-x86-64" and linux:
        return linux.kernel_architecture == "i386" and linux.architecture in ("i386", "")
    if row.id == "linux.root-device-name" and linux:
        return all(name.may_be_missing for name in _wrong_names(linux, profile))
    return False


def _unknown_facts(facts: DiskFacts, profile: Profile) -> Iterator[str]:
    """Yield what a prediction would need and inspection did not find."""
    yield from facts.unread
    if facts.bios_starts is None and profile.machine.firmware.value == "bios":
        yield facts.bios_evidence
    if profile.machine.secure_boot.value:
        yield "whether the keys of Secure Boot are those that signed the loaders and the kernel"
    if facts.windows and facts.windows.fault:
        yield facts.windows.fault
    if facts.linux is None:
        if facts.windows is None:
            yield "no system was found that is known here"
        return
    linux = facts.linux
    if not linux.kernel:
        yield "no configuration of a boot loader was understood"
    if linux.initramfs_fault:
        yield linux.initramfs_fault
    if linux.root_type and linux.init and not linux.init_is_program:
        yield f"what {linux.init} does, which is a script"
    yield from (
        f"where {name} is"
        for name in _disk_drivers(linux, profile)
        if linux.drivers.get(name) == "unknown"
    )


# The disk


def _disk_finding(
    facts: DiskFacts,
    finding_id: str,
    statement: str,
    evidence: tuple[str, ...] = (),
    remedy: str = "",
) -> Finding:
    """Return a finding about the disk, its remedy in the commands of the system on it."""
    tags = facts.linux.tags if facts.linux else ()
    return finding(finding_id, statement, evidence, remedy, tags)


def _encrypted(facts: DiskFacts, _: Profile) -> Iterator[Finding]:
    # What a boot loader starts may be readable while the root filesystem is not.
    if facts.encrypted and (facts.linux is None or not facts.linux.root_type):
        statement = "The system's disk is encrypted: nobody will type its key at boot."
        yield _disk_finding(facts, "disk.encrypted", statement, facts.encrypted)


def _boot_path(facts: DiskFacts, profile: Profile) -> Iterator[Finding]:
    if facts.empty:
        yield _disk_finding(
            facts, "disk.empty", "The disk is empty.", ("only zeros where a system begins",)
        )
        return
    if profile.machine.firmware.value == "uefi":
        yield from _uefi_path(facts, profile)
    elif facts.bios_starts is False:
        yield from _bios_path(facts, profile)


def _bios_path(facts: DiskFacts, profile: Profile) -> Iterator[Finding]:
    evidence: tuple[str, ...] = (facts.bios_evidence,)
    if facts.efi_architectures:
        loaders = ", ".join(facts.efi_architectures)
        evidence += (f"\\EFI\\BOOT holds a loader for {loaders}",)
        statement = f"The disk starts from UEFI only; {profile.firmware_description}."
        yield _disk_finding(facts, "firmware.uefi-only", statement, evidence)
    else:
        yield _disk_finding(
            facts, "disk.no-bootloader", "The disk holds nothing that a BIOS can start.", evidence
        )


def _uefi_path(facts: DiskFacts, profile: Profile) -> Iterator[Finding]:
    """Yield the findings about starting from UEFI.

    A new machine has no boot entry, so UEFI starts the fallback path or nothing.
    """
    unread = any(row.type == "vfat" and row.fault for row in facts.volumes)
    if _NEEDED_ARCHITECTURE in facts.efi_architectures:
        yield from _signatures(facts, profile)
        return
    if unread:
        return
    evidence: tuple[str, ...] = ("no loader for x86-64 in \\EFI\\BOOT of an EFI system partition",)
    evidence += tuple(printable(path, 120) for path in facts.efi_others)
    entry = ""
    if facts.efi_others:
        entry = (
            f" {printable(facts.efi_others[0], 120)} is there, and only a boot entry in the "
            "machine's own memory would start it; a new machine has none."
        )
    if facts.bios_starts:
        statement = f"The disk starts from a BIOS only; {profile.firmware_description}.{entry}"
        yield _disk_finding(
            facts, "firmware.bios-only", statement, (facts.bios_evidence, *evidence)
        )
    elif facts.efi_others:
        statement = f"The disk has no \\EFI\\BOOT\\BOOTX64.EFI, which a new machine starts.{entry}"
        yield _disk_finding(facts, "firmware.no-fallback-loader", statement, evidence)
    else:
        statement = "The disk holds nothing that UEFI starts of itself."
        yield _disk_finding(facts, "disk.no-bootloader", statement, evidence)


def _signatures(facts: DiskFacts, profile: Profile) -> Iterator[Finding]:
    """Yield the finding about a loader that Secure Boot refuses: one without a signature."""
    if profile.machine.secure_boot.value and facts.efi_unsigned:
        name = printable(facts.efi_unsigned[0], 120)
        statement = f"{profile.title} starts only what is signed, and {name} is not."
        evidence = (f"{name}: its certificate table is empty",)
        yield _disk_finding(facts, "firmware.not-signed", statement, evidence)


def _architecture(facts: DiskFacts, _: Profile) -> Iterator[Finding]:
    linux = facts.linux
    seen = {}
    if linux and linux.kernel_architecture:
        seen[f"{linux.kernel} is a kernel for"] = linux.kernel_architecture
    elif linux and linux.architecture:
        seen["the programs are for"] = linux.architecture
    elif facts.efi_architectures and _NEEDED_ARCHITECTURE not in facts.efi_architectures:
        seen["the EFI boot loader is for"] = facts.efi_architectures[0]
    for what, architecture in seen.items():
        if architecture != _NEEDED_ARCHITECTURE:
            statement = f"The system is for {architecture}; the provider's machines are x86-64."
            yield _disk_finding(
                facts, "arch.not-x86-64", statement, (f"{printable(what)} {architecture}",)
            )


def _windows(facts: DiskFacts, profile: Profile) -> Iterator[Finding]:
    windows = facts.windows
    if windows is None:
        return
    yield from check_drivers(windows, profile)
    policy = profile.images.windows_permitted
    if policy and not policy.value:
        statement = f"The system is Windows; {profile.title} does not permit own Windows images."
        evidence = (f"{windows.volume}: ntoskrnl.exe", policy.source)
        yield _disk_finding(facts, "windows.licence", statement, evidence)


# Linux


def _kernel(linux: LinuxFacts, facts: DiskFacts, _: Profile) -> Iterator[Finding]:
    if linux.kernel and not linux.kernel_found:
        statement = (
            f"The boot loader names a kernel that is not there: {printable(linux.kernel, 200)}."
        )
        yield _disk_finding(
            facts, "linux.no-kernel", statement, (f"{linux.config}: {printable(linux.kernel)}",)
        )
    elif not linux.kernel and not facts.unread:
        yield _disk_finding(
            facts, "linux.no-kernel", "There is a Linux system on the disk, and no kernel in /boot."
        )
    if linux.kernel_fault:
        statement = f"The kernel will not unpack itself: {printable(linux.kernel_fault, 200)}."
        yield _disk_finding(facts, "linux.kernel-damaged", statement, (printable(linux.kernel),))
    if linux.entry_waits:
        statement = "The boot loader shows its menu and waits for a key that nobody presses."
        yield _disk_finding(facts, "linux.boot-waits", statement, (f"{linux.config}: timeout=-1",))


def _root(linux: LinuxFacts, facts: DiskFacts, _: Profile) -> Iterator[Finding]:
    if linux.root_type and not linux.init:
        statement = "There is no init on the root file system: nothing can be its first program."
        yield _disk_finding(
            facts, "linux.no-init", statement, ("/sbin/init, /etc/init, /bin/init, /bin/sh",)
        )
    for volume in facts.volumes:
        if volume.damage:
            statement = f"{printable(volume.name, 80)} is damaged: {volume.damage}."
            yield _disk_finding(
                facts, "linux.root-damaged", statement, (f"{volume.type}, UUID {volume.uuid}",)
            )


def _disk_drivers(linux: LinuxFacts, profile: Profile) -> list[str]:
    root = [linux.root_type] if linux.root_type in linux.drivers else []
    return [*disk_needs(profile).drivers, *root]


def _virtio_disk(linux: LinuxFacts, facts: DiskFacts, profile: Profile) -> Iterator[Finding]:
    """Yield the findings about the drivers of the root's disk.

    The kernel must have all of them before it mounts its root filesystem.
    """
    missing, needed = disk_needs(profile).linux_missing, _disk_drivers(linux, profile)
    if not linux.kernel_found or linux.initramfs_fault:
        return
    if linux.initrds_missing:
        names = printable(", ".join(linux.initrds_missing), 200)
        statement = f"The boot loader names an initramfs that is not there: {names}."
        remedy = "Write the initramfs again, and the boot loader's configuration after it."
        yield _disk_finding(facts, missing, statement, (printable(linux.config),), remedy)
        return
    absent = {
        name: linux.drivers[name]
        for name in needed
        if linux.drivers[name] not in (*_EARLY, "unknown")
    }
    if absent:
        where = "the initramfs" if linux.initrds else "the kernel, and there is no initramfs"
        statement = f"{' and '.join(absent)} {'are' if len(absent) > 1 else 'is'} not in {where}."
        evidence = tuple(
            f"{name}: {'only on the root file system' if place == 'root' else place}"
            for name, place in absent.items()
        )
        images = tuple(printable(path) for path in (linux.kernel, *linux.initrds))
        yield _disk_finding(facts, missing, statement, (*evidence, *images))
        return
    for row in _blacklisted(linux, needed, early=True):
        statement = f"{row.driver} is kept from loading by {printable(row.by)}."
        remedy = f"Take {row.driver} out of {printable(row.by)}, and write the initramfs again."
        yield _disk_finding(facts, missing, statement, (printable(row.by),), remedy)


def _blacklisted(linux: LinuxFacts, names: Any, *, early: bool) -> Iterator[BlacklistedDriver]:
    """Yield the blacklist entries for these modules; a built-in driver cannot be blacklisted."""
    for row in linux.blacklisted:
        built_in = linux.drivers.get(row.driver) == "built in"
        if row.driver in names and not built_in and (row.early or not early):
            yield row


def _virtio_net(linux: LinuxFacts, facts: DiskFacts, _: Profile) -> Iterator[Finding]:
    if linux.drivers["virtio_net"] == "missing":
        statement = "The kernel has no virtio_net: the system will not see its NIC."
        yield _disk_finding(
            facts, "linux.virtio-net-missing", statement, (f"kernel {linux.kernel_version}",)
        )
        return
    for row in _blacklisted(linux, ("virtio_net",), early=False):
        statement = f"virtio_net is kept from loading by {printable(row.by)}."
        remedy = f"Take virtio_net out of {printable(row.by)}."
        yield _disk_finding(
            facts, "linux.virtio-net-missing", statement, (printable(row.by),), remedy
        )


def _seed_drivers(linux: LinuxFacts, facts: DiskFacts, profile: Profile) -> Iterator[Finding]:
    seed = seed_needs(profile)
    missing = [name for name in seed.drivers if linux.drivers[name] == "missing"]
    held = [row.driver for row in _blacklisted(linux, seed.drivers, early=False)]
    if missing or held:
        names = ", ".join(dict.fromkeys([*missing, *held]))
        statement = f"The seed is on {seed.title}, and the system cannot read it: no {names}."
        yield _disk_finding(
            facts, "linux.seed-drive-missing", statement, (f"kernel {linux.kernel_version}",)
        )


def _cloud_init(linux: LinuxFacts, facts: DiskFacts, profile: Profile) -> Iterator[Finding]:
    cloud = linux.cloud_init
    if not cloud.installed:
        instead = f"; in its place there is {cloud.stand_in}" if cloud.stand_in else ""
        statement = (
            f"cloud-init is not installed{instead}: nothing configures the network from the seed."
        )
        yield _disk_finding(facts, "linux.cloud-init-missing", statement, ("/usr/bin/cloud-init",))
    elif cloud.disabled_by:
        statement = f"cloud-init is disabled by {printable(cloud.disabled_by)}."
        remedy = f"Remove it: {printable(cloud.disabled_by)}."
        yield _disk_finding(
            facts, "linux.cloud-init-missing", statement, (printable(cloud.disabled_by),), remedy
        )
    elif not cloud.enabled:
        statement = "cloud-init is installed, and nothing starts it."
        yield _disk_finding(facts, "linux.cloud-init-missing", statement)
    wanted = datasource(profile)
    if cloud.datasources is not None and wanted not in cloud.datasources:
        named = printable(", ".join(cloud.datasources), 100)
        statement = f"cloud-init looks for {named} only, and not for {wanted}, which the seed is."
        evidence = (f"{cloud.datasources_in}: datasource_list: [{named}]",)
        remedy = f"Add {wanted} to datasource_list."
        yield _disk_finding(facts, "linux.datasource-excluded", statement, evidence, remedy)
    if cloud.network_disabled_by:
        statement = (
            f"cloud-init may not configure the network: {printable(cloud.network_disabled_by)}."
        )
        yield _disk_finding(
            facts,
            "linux.network-config-disabled",
            statement,
            (printable(cloud.network_disabled_by),),
        )
    if cloud.used_instance:
        statement = "The image has been started before: cloud-init keeps what it did then."
        evidence = (f"/var/lib/cloud: instance {printable(cloud.used_instance, 80)}",)
        yield _disk_finding(facts, "linux.instance-used", statement, evidence)


def _device_names(linux: LinuxFacts, facts: DiskFacts, profile: Profile) -> Iterator[Finding]:
    if wrong := _wrong_names(linux, profile):
        title = disk_needs(profile).title
        statement = f"A disk is named by a name that it does not have on {title}."
        evidence = tuple(_describe_device_name(row) for row in wrong)
        yield _disk_finding(facts, "linux.root-device-name", statement, evidence)
    known = {name for row in facts.volumes for name in (row.uuid.lower(), row.label)}
    absent = [row for row in linux.mounts_needed if not known & _spellings(row)]
    if absent and not facts.unread:
        statement = f"A file system is wanted that is not on the disk: {printable(absent[0], 100)}."
        yield _disk_finding(
            facts, "linux.root-missing", statement, tuple(printable(row) for row in absent)
        )


def _wrong_names(linux: LinuxFacts, profile: Profile) -> list[DeviceName]:
    """Return the places that name a disk by a device name that it lacks on the provider's bus."""
    right = disk_needs(profile).device
    return [row for row in linux.device_names if not row.device.startswith(right)]


def _describe_device_name(row: DeviceName) -> str:
    return printable(row.where, 200) + (" (nofail)" if row.may_be_missing else "")


def _spellings(spec: str) -> set[str]:
    """Return a UUID in lower case, as volumes are listed, and the label as it is."""
    name = spec.partition("=")[2]
    return {name, name.lower()}


def _serial(linux: LinuxFacts, facts: DiskFacts, _: Profile) -> Iterator[Finding]:
    if linux.config and not linux.serial_console:
        statement = "The kernel writes nothing to the serial console: a failure will be mute there."
        yield _disk_finding(
            facts, "linux.serial-console-missing", statement, (printable(linux.cmdline, 300),)
        )


_DiskCheck = Callable[[DiskFacts, Profile], Iterator[Finding]]
_LinuxCheck = Callable[[LinuxFacts, DiskFacts, Profile], Iterator[Finding]]

_DISK_CHECKS: tuple[_DiskCheck, ...] = (_encrypted, _boot_path, _architecture, _windows)
_BOOT_CHECKS: tuple[_LinuxCheck, ...] = (_kernel, _root, _virtio_disk, _device_names, _serial)
_LINUX_CHECKS: tuple[_LinuxCheck, ...] = (*_BOOT_CHECKS, _virtio_net, _seed_drivers, _cloud_init)
