"""An installation without a person: what is asked for, and what the machine is given for it.

The disc's own boot path shows that it starts. Then its kernel and initrd are taken off the disc
and booted past all menus, with a command line and an answer file of ours. No machine is started
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.answers.answers import Answers, write_answers
from harness.answers.families import Family, families, family_for
from harness.answers.values import Archive, new_values
from harness.data_disc import write_data_disc
from harness.errors import UsageError
from harness.image.disc import DiscFacts, Files, System, find_in_disc, open_files
from harness.image.disc_linux import known_places
from harness.image.http import parse_url
from harness.image.source import LocalFile
from harness.machine.spec import DirectKernel
from harness.newc import with_files
from harness.observe.archive import ARCHIVE_PATH
from harness.provider.profile import Firmware
from harness.seed import Seed

_MAX_KERNEL_BYTES = 64 << 20
_MAX_INITRD_BYTES = 512 << 20
# Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header": "HdrS" at 0x202.
_BOOT_MAGIC_AT, _BOOT_MAGIC = 0x202, b"HdrS"


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation that is asked for: by whose answers, and from which package archive.

    ``systems`` say where the disc has its kernel. ``own_answers`` is a person's text in place of
    the family's answer file, ``archive`` the URL of what the guest may fetch packages from; both
    may be None.
    """

    family: Family
    systems: tuple[System, ...]
    own_answers: str | None
    archive: str | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the machine of an installation is given: a kernel to start, and a disc of answers.

    Without a kernel the disc starts itself. ``target`` is where the disk is made.
    """

    direct: DirectKernel | None
    answers_disc: Path | None
    target: Path


def plan_installation(
    location: str, disc: DiscFacts | None, own_answers: str | None, archive: str | None
) -> Installation:
    """The installation of ``disc``; raises UsageError where there is no way to tell it anything."""
    if disc is None:
        raise UsageError(f"{location}: is a disk image; --install is for the disc of an installer.")
    family = family_for(disc.systems)
    if family is None:
        known = ", ".join(row.name for row in families())
        raise UsageError(f"{location}: --install has no answers for this disc; it has for {known}.")
    if family.way == "changed disc":
        raise UsageError(f"{location}: --install cannot tell this disc its answers: {family.note}")
    if archive is not None:
        parse_url(archive)
    return Installation(family, disc.systems, own_answers, archive)


def check_disc(installation: Installation, disc: Path) -> None:
    """Raise UsageError where ``disc`` has no kernel where its family has one."""
    if installation.family.cmdline:
        _take_kernel(disc, installation.systems)


def prepare(
    installation: Installation, disc: Path, seed: Seed, firmware: Firmware, scratch: Path
) -> Prepared:
    """Write what the installation of ``disc`` needs into ``scratch``; raises as check_disc does."""
    net = seed.network
    archive = Archive(host=str(net.receiver), directory=ARCHIVE_PATH)
    values = new_values(seed.mac, net, firmware, archive if installation.archive else None)
    answers = write_answers(installation.family, values, installation.own_answers)
    answers_disc = None
    if answers.disc_label:
        answers_disc = scratch / "answers.iso"
        write_data_disc(answers.disc_label, answers.disc_files, answers_disc)
    direct = None
    if answers.cmdline:
        direct = _direct_kernel(disc, installation.systems, answers, scratch)
    return Prepared(direct, answers_disc, scratch / "target.qcow2")


def _direct_kernel(
    disc: Path, systems: tuple[System, ...], answers: Answers, scratch: Path
) -> DirectKernel:
    kernel, initrd = _take_kernel(disc, systems)
    direct = DirectKernel(scratch / "kernel", scratch / "initrd", answers.cmdline)
    direct.kernel.write_bytes(kernel)
    direct.initrd.write_bytes(with_files(initrd, answers.initrd_files))
    return direct


def _take_kernel(disc: Path, systems: tuple[System, ...]) -> tuple[bytes, bytes]:
    """Kernel and initrd of ``disc``, from the first place of its systems that has both."""
    with LocalFile(disc) as source:
        for tree in open_files(source):
            for place in known_places(tree, systems):
                kernel = _read(tree, place.kernel, _MAX_KERNEL_BYTES)
                initrd = _read(tree, place.initrds[0], _MAX_INITRD_BYTES)
                if kernel is None or initrd is None:
                    continue
                if kernel[_BOOT_MAGIC_AT : _BOOT_MAGIC_AT + 4] != _BOOT_MAGIC:
                    raise UsageError(f"{disc}: {place.kernel} on it is no kernel for x86.")
                return kernel, initrd
    wanted = ", ".join(f"{row.kernel} with {row.initrd}" for each in systems for row in each.starts)
    raise UsageError(f"{disc}: --install looks for {wanted}, and the disc has none of these pairs.")


def _read(tree: Files, path: str, most_bytes: int) -> bytes | None:
    """A file of the disc; None where it is not there, too large, or cut off."""
    for entry in find_in_disc(tree, path.lstrip("/")):
        content = tree.content(entry)
        if not entry.is_folder and 0 < tree.size_bytes(entry) == content.size_bytes <= most_bytes:
            return content.read_at(0, content.size_bytes)
    return None
