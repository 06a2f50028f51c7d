"""A disc as a whole: its volumes, how it starts, what installer or live system is on it."""

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
    Descriptor,
    IsoEntry,
    IsoFiles,
    Volume,
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


class Files(Protocol):
    """Files of a disc by folder, whatever its file system."""

    @property
    def root(self) -> IsoEntry:
        """The root folder."""

    def entries(self, folder: IsoEntry) -> list[IsoEntry]:
        """What is in ``folder``."""

    def content(self, entry: IsoEntry) -> ImageSource:
        """A file as a source."""

    def size_bytes(self, entry: IsoEntry) -> int:
        """How large a file says it is; its ``content`` is smaller where a part is not there."""


class Start(BaseModel):
    """A kernel on a disc, and the initrd that it is started with.

    ``kernel`` is a path in any case, ``*`` for a part of its last name; in ``initrd`` it stands for
    the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kernel: str
    initrd: str


class Later(BaseModel):
    """What brings an installer the drivers that its initrd has not.

    ``what`` says it in words, ``over`` what it is read from. ``files`` are where it is on a disc,
    the likeliest first; without one of them it is on another machine. With ``on_demand`` the
    installer loads it piece by piece as it runs, as debian-installer does its udebs; otherwise it
    is there as soon as the installer is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    over: Literal["disc", "network"]
    files: tuple[str, ...] = ()
    on_demand: bool = False


class System(BaseModel):
    """A row of ``systems.toml``: what gives a system on a disc away, and how its Linux starts.

    It is there when one of ``any_of`` exists, all of ``all_of`` do, and the file ``text_in`` holds
    ``text``. Paths are matched in any case; ``*`` stands for one name. ``starts`` are where its
    kernel is, the one to take first; there is none where it is no Linux.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str
    kind: Literal["installer", "live"]
    any_of: tuple[str, ...]
    all_of: tuple[str, ...] = ()
    text_in: str | None = None
    text: str = ""
    starts: tuple[Start, ...] = ()
    later: Later | None = None
    source: str


@dataclass(frozen=True, slots=True)
class IsoFacts:
    """What a disc is.

    ``boot_entries`` is None where no boot record names a catalog. ``efi_architectures`` are those
    of the loaders that a UEFI firmware would start. ``complete`` is False where a part could not
    be fetched, and then what is missing is not proved to be absent.
    """

    volume: Volume | None
    udf: bool
    identifier: str
    boot_entries: tuple[BootEntry, ...] | None
    partitions: PartitionTable
    efi_architectures: tuple[str, ...]
    systems: tuple[System, ...]
    faults: tuple[tuple[int, str], ...]
    missing_bytes: int
    complete: bool

    @property
    def bios_entry(self) -> BootEntry | None:
        """The entry that a BIOS starts from the disc; None where there is none."""
        for entry in self.boot_entries or ():
            if entry.platform == "bios" and entry.initial:
                return entry
        return None

    @property
    def efi_entries(self) -> tuple[BootEntry, ...]:
        """The entries that a UEFI firmware starts."""
        return tuple(entry for entry in self.boot_entries or () if entry.platform == "efi")


@cache
def known_systems() -> tuple[System, ...]:
    """The table of systems that are recognised, in the order in which they are looked for."""
    return shipped_table(__package__, "systems.toml", dict[str, tuple[System, ...]])["system"]


def read_iso(source: ImageSource) -> IsoFacts:
    """The facts of a file that is an ISO 9660 or UDF disc. Never raises for its content."""
    reach = _Reach()
    descriptors = read_descriptors(source)
    primary = next((row for row in descriptors if row.type == 1), None)
    volume = read_volume(primary) if primary else None
    catalog = reach.attempt(partial(read_boot_catalog, source, descriptors))
    udf = reach.attempt(partial(UdfFiles.open, source))
    trees = _trees(source, descriptors, volume, udf)
    entries = catalog.entries if catalog else ()
    loaders = reach.attempt(lambda: tuple(_efi_architectures(source, entries, trees)))
    systems = [row for row in known_systems() if reach.attempt(partial(_is_there, row, trees))]
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
        complete=reach.complete,
    )


def _missing_bytes(volume: Volume | None, source: ImageSource) -> int:
    """How much of the volume is not in the file; nonsense in its fields says nothing."""
    if volume is None or volume.faults:
        return 0
    return max(0, volume.size_bytes - source.size_bytes)


class _Reach:
    """Remembers whether a part of the disc could not be fetched."""

    def __init__(self) -> None:
        self.complete = True

    def attempt(self, read: Callable[[], _Read]) -> _Read | None:
        """What ``read`` gives; None where its bytes are out of reach."""
        try:
            return read()
        except OutOfReachError:
            self.complete = False
            return None


def open_files(source: ImageSource) -> list[Files]:
    """The file systems of a disc, the one with the fullest names first."""
    descriptors = read_descriptors(source)
    primary = next((row for row in descriptors if row.type == 1), None)
    volume = read_volume(primary) if primary else None
    return _trees(source, descriptors, volume, UdfFiles.open(source))


def _trees(
    source: ImageSource,
    descriptors: list[Descriptor],
    volume: Volume | None,
    udf: UdfFiles | None,
) -> list[Files]:
    trees: list[Files] = [udf] if udf else []
    if volume and not volume.faults:
        trees.append(IsoFiles(source, volume))
    supplementary = (read_volume(row) for row in descriptors if row.type == 2)
    trees += [IsoFiles(source, row) for row in supplementary if row.joliet and not row.faults]
    return trees


def find_in_iso(tree: Files, pattern: str) -> list[IsoEntry]:
    """The entries that ``pattern`` names: a path in any case, ``*`` for any one name."""
    return [entry for _, entry in match_in_iso(tree, pattern)]


def match_in_iso(tree: Files, pattern: str) -> list[tuple[str, IsoEntry]]:
    """The same, each with its path as the disc spells it, from ``/``."""
    found = [("", tree.root)]
    for name in pattern.lower().split("/"):
        found = [
            (f"{path}/{entry.name}", entry)
            for path, folder in found
            if folder.is_folder
            for entry in tree.entries(folder)
            if fnmatch.fnmatchcase(entry.name.lower(), name)
        ][:_MAX_GLOB_MATCHES]
    return found


def _is_there(system: System, trees: list[Files]) -> bool:
    return any(_is_in(system, tree) for tree in trees)


def _is_in(system: System, tree: Files) -> bool:
    if not all(find_in_iso(tree, path) for path in system.all_of):
        return False
    if not any(find_in_iso(tree, path) for path in system.any_of):
        return False
    if system.text_in is None:
        return True
    texts = (tree.content(entry) for entry in find_in_iso(tree, system.text_in))
    return any(system.text.encode() in text.read_at(0, _MARKER_BYTES) for text in texts)


def _efi_architectures(
    source: ImageSource, entries: Iterable[BootEntry], trees: list[Files]
) -> Iterator[str]:
    r"""Processors of the loaders that UEFI would start: those in the FAT of an EFI boot entry.

    UEFI Specification 2.10, 13.3.2.1 and 3.5.1.1: FAT, and in it ``\EFI\BOOT\BOOT*.EFI``. Where
    none is readable there, the loaders beside it on the disc stand for it.
    """
    found: set[str] = set()
    for entry in entries:
        if entry.platform == "efi" and entry.target == "present":
            window = Window(source, entry.offset, source.size_bytes - entry.offset)
            found.update(_fat_loaders(window))
    if not found:
        for tree in trees:
            for loader in find_in_iso(tree, "efi/boot/boot*.efi")[:_MAX_LOADERS]:
                found.add(pe_architecture(tree.content(loader)) or "")
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
