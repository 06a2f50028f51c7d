"""An ISO as a whole: its volumes, its boot entries, the installer or live system on it."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from harness.image.disk.partitions import PartitionTable, read_partitions
from harness.image.disk.pe import pe_architecture
from harness.image.fs.fat import FatVolume
from harness.image.iso.el_torito import BootEntry, read_boot_catalog
from harness.image.iso.iso9660 import (
    IsoEntry,
    IsoFiles,
    IsoVolume,
    VolumeDescriptor,
    read_descriptors,
    read_volume,
)
from harness.image.iso.udf import UdfFiles
from harness.image.source import ImageSource, OutOfReachError, Window
from harness.model.table import shipped_table

_PE_HEAD_BYTES = 4096
_MARKER_BYTES = 512
_MAX_GLOB_MATCHES = 64
_MAX_LOADERS = 16

_Read = TypeVar("_Read")


class IsoFilesystem(Protocol):
    """The files on an ISO by folder, for any filesystem."""

    @property
    def root(self) -> IsoEntry:
        """The root folder."""

    def entries(self, folder: IsoEntry) -> list[IsoEntry]:
        """The entries of ``folder``."""

    def content(self, entry: IsoEntry) -> ImageSource:
        """The content of a file as a source."""

    def size_bytes(self, entry: IsoEntry) -> int:
        """The stated size of a file; its ``content`` is smaller where a part is missing."""


class IsoKernel(BaseModel):
    """The paths of a kernel on an ISO and of its initrd.

    ``kernel`` ignores case and may have a ``*`` in its last name; a ``*`` in ``initrd`` stands for
    the same text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kernel: str
    initrd: str


class DriverSource(BaseModel):
    """A source of drivers that are not in the initrd of an installer.

    ``what`` is its name for people, ``over`` the medium that it is read from. ``files`` are its
    paths on an ISO, the most likely first; without any it is on another machine. With
    ``on_demand`` the installer loads single parts as it runs, as debian-installer does its udebs;
    otherwise all of it is loaded when the installer starts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    over: Literal["iso", "network"]
    files: tuple[str, ...] = ()
    on_demand: bool = False


class IsoSystem(BaseModel):
    """A row of ``systems.toml``: the files that identify a system on an ISO, and its kernels.

    The system is present when one of ``any_of`` exists, all of ``all_of`` do, and the file
    ``text_in`` contains ``text``. Paths ignore case; ``*`` stands for one name. ``starts`` are its
    kernels, the preferred one first; none for a system that is not Linux.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str
    kind: Literal["installer", "live"]
    any_of: tuple[str, ...]
    all_of: tuple[str, ...] = ()
    text_in: str | None = None
    text: str = ""
    starts: tuple[IsoKernel, ...] = ()
    later: DriverSource | None = None
    source: str


@dataclass(frozen=True, slots=True)
class IsoFacts:
    """The facts of an ISO.

    ``boot_entries`` is None where no boot record names a catalog. ``efi_architectures`` are those
    of the loaders that a UEFI firmware would start. ``complete`` is False where a part could not
    be fetched; then a file that was not found may still exist.
    """

    volume: IsoVolume | None
    udf: bool
    identifier: str
    boot_entries: tuple[BootEntry, ...] | None
    partitions: PartitionTable
    efi_architectures: tuple[str, ...]
    systems: tuple[IsoSystem, ...]
    faults: tuple[tuple[int, str], ...]
    missing_bytes: int
    complete: bool

    @property
    def bios_entry(self) -> BootEntry | None:
        """The entry that a BIOS starts; None if missing."""
        for entry in self.boot_entries or ():
            if entry.platform == "bios" and entry.initial:
                return entry
        return None

    @property
    def efi_entries(self) -> tuple[BootEntry, ...]:
        """The entries that a UEFI firmware starts."""
        return tuple(entry for entry in self.boot_entries or () if entry.platform == "efi")


@cache
def known_systems() -> tuple[IsoSystem, ...]:
    """The systems that are recognised, in the order in which they are tested."""
    return shipped_table(__package__, "systems.toml", dict[str, tuple[IsoSystem, ...]])["system"]


def read_iso(source: ImageSource) -> IsoFacts:
    """Read the facts of an ISO 9660 or UDF image. Never raises for its content."""
    reads = _PartialRead()
    descriptors = read_descriptors(source)
    primary = next((row for row in descriptors if row.type == 1), None)
    volume = read_volume(primary) if primary else None
    catalog = reads.attempt(partial(read_boot_catalog, source, descriptors))
    udf = reads.attempt(partial(UdfFiles.open, source))
    filesystems = _filesystems(source, descriptors, volume, udf)
    entries = catalog.entries if catalog else ()
    loaders = reads.attempt(lambda: tuple(_efi_architectures(source, entries, filesystems)))
    systems = [
        row for row in known_systems() if reads.attempt(partial(_is_present, row, filesystems))
    ]
    return IsoFacts(
        volume=volume,
        udf=udf is not None,
        identifier=(volume.identifier if volume else "") or (udf.identifier if udf else ""),
        boot_entries=catalog.entries if catalog else None,
        partitions=read_partitions(source),
        efi_architectures=loaders or (),
        systems=tuple(systems),
        faults=(volume.faults if volume else ()) + (catalog.faults if catalog else ()),
        missing_bytes=_missing_bytes(volume, source),
        complete=reads.complete,
    )


def _missing_bytes(volume: IsoVolume | None, source: ImageSource) -> int:
    """The size of the part of the volume beyond the end of the file; 0 for an invalid volume."""
    if volume is None or volume.faults:
        return 0
    return max(0, volume.size_bytes - source.size_bytes)


class _PartialRead:
    """A series of reads; ``complete`` tells whether all their bytes could be fetched."""

    def __init__(self) -> None:
        self.complete = True

    def attempt(self, read: Callable[[], _Read]) -> _Read | None:
        """Return the result of ``read``; None where its bytes could not be fetched."""
        try:
            return read()
        except OutOfReachError:
            self.complete = False
            return None


def open_filesystems(source: ImageSource) -> list[IsoFilesystem]:
    """Open the filesystems of an ISO, the one with the longest names first."""
    descriptors = read_descriptors(source)
    primary = next((row for row in descriptors if row.type == 1), None)
    volume = read_volume(primary) if primary else None
    return _filesystems(source, descriptors, volume, UdfFiles.open(source))


def _filesystems(
    source: ImageSource,
    descriptors: list[VolumeDescriptor],
    volume: IsoVolume | None,
    udf: UdfFiles | None,
) -> list[IsoFilesystem]:
    filesystems: list[IsoFilesystem] = [udf] if udf else []
    if volume and not volume.faults:
        filesystems.append(IsoFiles(source, volume))
    supplementary = (read_volume(row) for row in descriptors if row.type == 2)
    filesystems += [IsoFiles(source, row) for row in supplementary if row.joliet and not row.faults]
    return filesystems


def find_in_iso(filesystem: IsoFilesystem, pattern: str) -> list[IsoEntry]:
    """The entries that match ``pattern``: a path, ignoring case, with ``*`` for any one name."""
    return [entry for _, entry in match_in_iso(filesystem, pattern)]


def match_in_iso(filesystem: IsoFilesystem, pattern: str) -> list[tuple[str, IsoEntry]]:
    """The entries that match ``pattern``, as in :func:`find_in_iso`, with their absolute paths."""
    found = [("", filesystem.root)]
    for name in pattern.lower().split("/"):
        found = [
            (f"{path}/{entry.name}", entry)
            for path, folder in found
            if folder.is_folder
            for entry in filesystem.entries(folder)
            if fnmatch.fnmatchcase(entry.name.lower(), name)
        ][:_MAX_GLOB_MATCHES]
    return found


def _is_present(system: IsoSystem, filesystems: list[IsoFilesystem]) -> bool:
    return any(_matches(system, filesystem) for filesystem in filesystems)


def _matches(system: IsoSystem, filesystem: IsoFilesystem) -> bool:
    if not all(find_in_iso(filesystem, path) for path in system.all_of):
        return False
    if not any(find_in_iso(filesystem, path) for path in system.any_of):
        return False
    if system.text_in is None:
        return True
    texts = (filesystem.content(entry) for entry in find_in_iso(filesystem, system.text_in))
    return any(system.text.encode() in text.read_at(0, _MARKER_BYTES) for text in texts)


def _efi_architectures(
    source: ImageSource, entries: Iterable[BootEntry], filesystems: list[IsoFilesystem]
) -> Iterator[str]:
    r"""Yield the processors of the loaders that UEFI would start: in the FAT of an EFI boot entry.

    UEFI Specification 2.10, 13.3.2.1 and 3.5.1.1: FAT, and in it ``\EFI\BOOT\BOOT*.EFI``. Where
    none is readable there, the loaders in the same folder on the ISO are the fallback.
    """
    found: set[str] = set()
    for entry in entries:
        if entry.platform == "efi" and entry.target == "present":
            window = Window(source, entry.offset, source.size_bytes - entry.offset)
            found.update(_fat_loaders(window))
    if not found:
        for filesystem in filesystems:
            for loader in find_in_iso(filesystem, "efi/boot/boot*.efi")[:_MAX_LOADERS]:
                found.add(pe_architecture(filesystem.content(loader)) or "")
    yield from sorted(found - {""})


def _fat_loaders(source: ImageSource) -> Iterator[str]:
    volume = FatVolume.open(source)
    folder = volume.find("EFI/BOOT") if volume else None
    if volume is None or folder is None or not folder.is_folder:
        return
    loaders = [
        entry
        for entry in volume.entries(folder)
        if fnmatch.fnmatchcase(entry.name.lower(), "boot*.efi")
    ]
    for loader in loaders[:_MAX_LOADERS]:
        yield pe_architecture(volume.head(loader, _PE_HEAD_BYTES)) or ""
