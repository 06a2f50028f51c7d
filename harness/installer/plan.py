"""The plan of an unattended installation, and the files that its machine needs.

The ISO's own boot path shows that it starts. Then its kernel and initrd are copied off the ISO and
booted past all menus, with our command line and answer file. No machine is started here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.image.fs.newc import append_files
from harness.image.iso.iso_image import (
    IsoFacts,
    IsoFilesystem,
    IsoSystem,
    find_in_iso,
    open_filesystems,
)
from harness.image.os.iso_linux import known_entries
from harness.image.source import LocalFile
from harness.installer.answers import Answers, write_answers
from harness.installer.families import Family, families, family_for
from harness.installer.values import PackageArchive, new_values
from harness.machine.spec import DirectKernel
from harness.model.hardware import Firmware
from harness.net.http import parse_url
from harness.observe.archive import ARCHIVE_PATH
from harness.seed.data_iso import write_data_iso
from harness.seed.seed import Seed

_MAX_KERNEL_BYTES = 64 << 20
_MAX_INITRD_BYTES = 512 << 20
# Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header": "HdrS" at 0x202.
_BOOT_MAGIC_AT, _BOOT_MAGIC = 0x202, b"HdrS"


@dataclass(frozen=True, slots=True)
class Installation:
    """A requested installation, with its answers and its package archive.

    ``systems`` have the paths of the kernel on the ISO. ``own_answers`` is a user's text in place
    of the family's answer file, ``archive`` the URL of the package archive that the guest may
    fetch from; both may be None.
    """

    family: Family
    systems: tuple[IsoSystem, ...]
    own_answers: str | None
    archive: str | None


@dataclass(frozen=True, slots=True)
class InstallationMedia:
    """The media of an installation's machine: a kernel to start, and an ISO of answers.

    Without a kernel the installer's ISO starts itself. ``target`` is the path of the new disk.
    """

    direct: DirectKernel | None
    answers_iso: Path | None
    target: Path


def plan_installation(
    location: str, iso: IsoFacts | None, own_answers: str | None, archive: str | None
) -> Installation:
    """Return the installation from ``iso``; raises UsageError where it can take no answers."""
    if iso is None:
        raise UsageError(f"{location}: is a disk image; --install is for the disc of an installer.")
    family = family_for(iso.systems)
    if family is None:
        known = ", ".join(row.name for row in families())
        raise UsageError(f"{location}: --install has no answers for this disc; it has for {known}.")
    if family.way == "changed ISO":
        raise UsageError(f"{location}: --install cannot tell this disc its answers: {family.note}")
    if archive is not None:
        parse_url(archive)
    return Installation(family, iso.systems, own_answers, archive)


def check_installer_kernel(installation: Installation, iso: Path) -> None:
    """Raise UsageError where ``iso`` lacks the kernel or initrd that its family boots."""
    if installation.family.cmdline:
        _take_kernel(iso, installation.systems)


def prepare_installation(
    installation: Installation, iso: Path, seed: Seed, firmware: Firmware, scratch: Path
) -> InstallationMedia:
    """Write the media of the installation from ``iso`` into ``scratch``.

    Raises UsageError as :func:`check_installer_kernel` does.
    """
    net = seed.network
    archive = PackageArchive(host=str(net.receiver), directory=ARCHIVE_PATH)
    values = new_values(seed.mac, net, firmware, archive if installation.archive else None)
    answers = write_answers(installation.family, values, installation.own_answers)
    answers_iso = None
    if answers.iso_label:
        answers_iso = scratch / "answers.iso"
        write_data_iso(answers.iso_label, answers.iso_files, answers_iso)
    direct = None
    if answers.cmdline:
        direct = _direct_kernel(iso, installation.systems, answers, scratch)
    return InstallationMedia(direct, answers_iso, scratch / "target.qcow2")


def _direct_kernel(
    iso: Path, systems: tuple[IsoSystem, ...], answers: Answers, scratch: Path
) -> DirectKernel:
    kernel, initrd = _take_kernel(iso, systems)
    direct = DirectKernel(scratch / "kernel", scratch / "initrd", answers.cmdline)
    direct.kernel.write_bytes(kernel)
    direct.initrd.write_bytes(append_files(initrd, answers.initrd_files))
    return direct


def _take_kernel(iso: Path, systems: tuple[IsoSystem, ...]) -> tuple[bytes, bytes]:
    """Return kernel and initrd of ``iso``, from the first place of its systems that has both."""
    with LocalFile(iso) as source:
        for tree in open_filesystems(source):
            for entry in known_entries(tree, systems):
                kernel = _read(tree, entry.kernel, _MAX_KERNEL_BYTES)
                initrd = _read(tree, entry.initrds[0], _MAX_INITRD_BYTES)
                if kernel is None or initrd is None:
                    continue
                if kernel[_BOOT_MAGIC_AT : _BOOT_MAGIC_AT + 4] != _BOOT_MAGIC:
                    raise UsageError(f"{iso}: {entry.kernel} on it is no kernel for x86.")
                return kernel, initrd
    wanted = ", ".join(f"{row.kernel} with {row.initrd}" for each in systems for row in each.starts)
    raise UsageError(f"{iso}: --install looks for {wanted}, and the disc has none of these pairs.")


def _read(tree: IsoFilesystem, path: str, most_bytes: int) -> bytes | None:
    """Return a file of the ISO; None where it is missing, too large, or cut off."""
    for entry in find_in_iso(tree, path.lstrip("/")):
        content = tree.content(entry)
        if not entry.is_folder and 0 < tree.size_bytes(entry) == content.size_bytes <= most_bytes:
            return content.read_at(0, content.size_bytes)
    return None
