"""The Linux that an ISO starts: the drivers in its kernel and its initrd.

It reads megabytes of untrusted compressed archives: this module is for the child process that
:mod:`harness.examine.child` starts under limits.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from harness.image.fs.node import MAX_FILE_BYTES, Kind
from harness.image.fs.tree import Tree
from harness.image.iso.iso9660 import IsoEntry
from harness.image.iso.iso_image import (
    DriverSource,
    IsoFacts,
    IsoFilesystem,
    IsoSystem,
    match_in_iso,
    open_filesystems,
    read_iso,
)
from harness.image.os.bootconfig import BootLoaderEntry, iso_entries
from harness.image.os.kernel import HEAD_BYTES, payload_fault, read_kernel
from harness.image.os.linux import driver_places, read_initrds
from harness.image.os.system import DRIVERS_BEFORE_ISO, DRIVERS_BEFORE_NETWORK, IsoLinux
from harness.image.source import ImageSource

# The ends of names of files without drivers: parts of boot loaders, pictures, texts.
_DRIVERLESS_ENDS = (
    ".bin",
    ".c32",
    ".cat",
    ".cfg",
    ".com",
    ".conf",
    ".efi",
    ".lst",
    ".mod",
    ".pf2",
    ".sys",
    ".bmp",
    ".gif",
    ".html",
    ".jpg",
    ".md5",
    ".mo",
    ".pcx",
    ".png",
    ".svg",
    ".tga",
    ".txt",
    ".ttf",
)
# GRUB's own modules, by platform (grub-install(1), --target).
_GRUB_FOLDERS = frozenset({"i386-pc", "i386-efi", "x86_64-efi", "i386-qemu"})
# Smaller than any relevant driver: virtio_pci of Debian 12 has 12 kB after xz -9.
_SMALLEST_DRIVER_BYTES = 4096
_MAX_ENTRIES = 20_000
_MAX_PATH_CHARS = 4096  # Linux, include/uapi/linux/limits.h: PATH_MAX
# Programs in an initrd that fetch the rest of an installer, by the end of their path:
# debian-installer's anna; dracut's 90livenet and Anaconda's 80anaconda; SUSE's linuxrc; the scripts
# of casper and live-boot (netboot=, fetch=) and the hook of archiso (archiso_http_srv=).
_ANNA = "bin/anna"
_FETCHERS = (
    (_ANNA, "udebs of a mirror"),
    ("sbin/livenetroot", "the system that its initrd fetches"),
    ("-anaconda-netroot.sh", "the second stage that its initrd fetches"),
    ("linuxrc", "the second stage that its initrd fetches"),
    ("scripts/casper", "the system that its initrd fetches"),
    ("scripts/live", "the system that its initrd fetches"),
    ("hooks/archiso_pxe_http", "the system that its initrd fetches"),
)
_NEEDED_FIRST = {"network": DRIVERS_BEFORE_NETWORK, "iso": DRIVERS_BEFORE_ISO}


class IsoNode:
    """A file or folder on an ISO. Names ignore case: without Rock Ridge they are in capitals.

    A link of Rock Ridge is an empty file.
    """

    def __init__(self, files: IsoFilesystem, entry: IsoEntry) -> None:
        self._files = files
        self._entry = entry

    @property
    def kind(self) -> Kind:
        """The kind of the node."""
        return "folder" if self._entry.is_folder else "file"

    @property
    def size_bytes(self) -> int:
        """The size of a file."""
        return self._files.size_bytes(self._entry)

    def names(self) -> list[str]:
        """The names in a folder."""
        return [entry.name for entry in self._files.entries(self._entry)]

    def child(self, name: str) -> IsoNode | None:
        """The entry of a folder with this name; one with the same case has priority."""
        rows = self._files.entries(self._entry)
        same = [entry for entry in rows if entry.name.lower() == name.lower()]
        same.sort(key=lambda entry: entry.name != name)
        return IsoNode(self._files, same[0]) if same else None

    def read(self, limit_bytes: int = MAX_FILE_BYTES) -> bytes:
        """The content of a file, ``limit_bytes`` at most, up to the end of the ISO."""
        return self._files.content(self._entry).read_at(0, min(limit_bytes, self.size_bytes))

    def target(self) -> str:
        """Return "": links are not resolved."""
        return ""


def read_iso_linux(source: ImageSource) -> IsoLinux | None:
    """Read the facts of the Linux that the ISO starts; None without a known Linux.

    Where a known system with a Linux cannot be read, ``problem`` says why.
    """
    iso = read_iso(source)
    systems = [row for row in iso.systems if row.starts]
    if iso.systems and not systems:
        return None
    filesystems = open_filesystems(source)
    problem = ""
    for files in filesystems:
        tree = Tree(IsoNode(files, files.root))
        entries = [*iso_entries(tree), *known_entries(files, systems)]
        found = next((entry for entry in entries if not _missing_file(tree, entry)), None)
        if found:
            return _read(iso, filesystems, tree, _with_real_paths(tree, found))
        problem = problem or _unread_reason(tree, entries)
    return IsoLinux(problem=problem) if systems else None


def known_entries(files: IsoFilesystem, systems: Iterable[IsoSystem]) -> Iterator[BootLoaderEntry]:
    """Yield the kernels of these systems that exist, each with its initrd."""
    for start in (start for row in systems for start in row.starts):
        before, _, after = posixpath.basename(start.kernel.lower()).partition("*")
        for kernel, _ in sorted(match_in_iso(files, start.kernel), key=lambda row: row[0]):
            name = posixpath.basename(kernel)
            part = name[len(before) : len(name) - len(after)]
            for initrd, _ in match_in_iso(files, start.initrd.replace("*", part)):
                yield BootLoaderEntry("", kernel, (initrd,), "", "")


def _missing_file(tree: Tree, entry: BootLoaderEntry) -> str:
    """The path of the first missing or empty file of the kernel and its initrds; "" without one.

    A missing initrd counts: a kernel without one is a memory test, not an installer.
    """
    for path in (entry.kernel, *(entry.initrds or ("",))):
        node = tree.find(path) if path else None
        if node is None or node.kind != "file" or not node.size_bytes:
            return path or "no initrd"
    return ""


def _with_real_paths(tree: Tree, entry: BootLoaderEntry) -> BootLoaderEntry:
    """Return the entry with normalised paths, without parts such as ``..``."""
    kernel, *initrds = (tree.real_path(path) or path for path in (entry.kernel, *entry.initrds))
    return replace(entry, kernel=kernel, initrds=tuple(initrds))


def _unread_reason(tree: Tree, entries: Sequence[BootLoaderEntry]) -> str:
    """The reason why no entry can be read."""
    for entry in entries:
        missing = _missing_file(tree, entry)
        if entry.initrds and entry.config and missing:
            return f"{entry.config} names {missing}, which is not on the disc"
    return "no kernel with an initrd was found on the disc"


def _read(
    iso: IsoFacts, filesystems: list[IsoFilesystem], tree: Tree, entry: BootLoaderEntry
) -> IsoLinux:
    image = tree.read(entry.kernel) or b""
    kernel = read_kernel(image[:HEAD_BYTES])
    large = [path for path in entry.initrds if _size_bytes(tree, path) > MAX_FILE_BYTES]
    if large:
        initramfs, problem = None, f"{large[0]} is larger than what is read of an initrd"
    else:
        initramfs, problem = read_initrds(tree, entry.initrds)
    later = _driver_source(iso, filesystems, entry, initramfs.names if initramfs else ())
    return IsoLinux(
        config=entry.config,
        kernel=entry.kernel,
        kernel_architecture=kernel.architecture,
        kernel_version=kernel.version,
        kernel_fault=payload_fault(image),
        initrds=entry.initrds,
        drivers=driver_places(tree, kernel.version, initramfs, unread=bool(problem)),
        later=later.what if later else "",
        on_demand=later is not None and later.on_demand,
        needed_first=_NEEDED_FIRST[later.over] if later else (),
        problem=problem,
    )


def _size_bytes(tree: Tree, path: str) -> int:
    node = tree.find(path)
    return node.size_bytes if node else 0


def _driver_source(
    iso: IsoFacts, filesystems: list[IsoFilesystem], entry: BootLoaderEntry, names: Collection[str]
) -> DriverSource | None:
    """The source of further drivers; None if missing."""
    for later in (row.later for row in iso.systems if row.later):
        if not later.files:
            return later
        for files in filesystems:
            for path, _ in (row for name in later.files for row in match_in_iso(files, name)):
                return later.model_copy(update={"what": f"{later.what} ({path})"})
    other = _other_file(iso, filesystems, (entry.kernel, *entry.initrds))
    if other:
        return DriverSource(what=other, over="iso")
    for end, what in _FETCHERS:
        if any(name.endswith(end) for name in names):
            return DriverSource(what=what, over="network", on_demand=end == _ANNA)
    return None


def _other_file(iso: IsoFacts, filesystems: list[IsoFilesystem], used: tuple[str, ...]) -> str:
    """The path of the largest other file on an ISO that may hold drivers; "" if missing.

    Files that hold none are skipped: those that are ``used``, the boot images of the catalog, the
    parts of boot loaders. Only an ISO without other files proves that no more drivers come.
    """
    boot_images = {row.offset for row in iso.boot_entries or ()}
    names = {path.lower() for path in used}
    largest, count = (0, ""), 0
    for files in filesystems:
        for path, entry in _walk(files):
            count += 1
            if count > _MAX_ENTRIES or len(path) > _MAX_PATH_CHARS:
                return "one of the many files on the disc"
            size_bytes = 0 if entry.is_folder else files.size_bytes(entry)
            if size_bytes < _SMALLEST_DRIVER_BYTES or _is_driverless(path.lower()):
                continue
            if entry.offset not in boot_images and path.lower() not in names:
                largest = max(largest, (size_bytes, path))
    return largest[1]


def _is_driverless(path: str) -> bool:
    return (
        path.endswith(_DRIVERLESS_ENDS)
        or posixpath.basename(posixpath.dirname(path)) in _GRUB_FOLDERS
    )


def _walk(files: IsoFilesystem) -> Iterator[tuple[str, IsoEntry]]:
    """Yield all files and folders with their paths; a folder that contains itself only once."""
    folders, entered = [("", files.root)], {files.root.offset}
    while folders:
        path, folder = folders.pop()
        for entry in files.entries(folder):
            here = f"{path}/{entry.name}"
            yield here, entry
            if entry.is_folder and entry.offset not in entered:
                entered.add(entry.offset)
                folders.append((here, entry))
