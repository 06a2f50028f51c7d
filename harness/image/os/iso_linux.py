"""The Linux that a disc starts: which drivers its kernel and its initrd have.

It reads megabytes of packed archives that a stranger made: for the child process that
:mod:`harness.examine.child` starts under limits.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from harness.image.fs.filesystem import MAX_FILE_BYTES, Kind
from harness.image.fs.tree import Tree
from harness.image.iso.iso import (
    Files,
    IsoFacts,
    Later,
    System,
    match_in_iso,
    open_files,
    read_iso,
)
from harness.image.iso.iso9660 import IsoEntry
from harness.image.os.bootconfig import Entry, iso_entries
from harness.image.os.kernel import HEAD_BYTES, payload_fault, read_kernel
from harness.image.os.linux import driver_places, read_initrds
from harness.image.os.system import DRIVERS_BEFORE_ISO, DRIVERS_BEFORE_NETWORK, IsoLinux
from harness.image.source import ImageSource

# What holds no driver, by the ends of names: the parts of boot loaders, pictures, texts.
_BARREN = (
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
# Smaller than any driver that matters: Debian 12's virtio_pci takes 12 kB packed by xz -9.
_SMALLEST_DRIVER_BYTES = 4096
_MAX_ENTRIES = 20_000
_MAX_PATH_CHARS = 4096  # Linux, include/uapi/linux/limits.h: PATH_MAX
# What in an initrd fetches the rest of an installer, by the end of its path: debian-installer's
# anna; dracut's 90livenet and Anaconda's 80anaconda; SUSE's linuxrc; the scripts of casper and
# live-boot (netboot=, fetch=) and the hook of archiso (archiso_http_srv=).
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
_NEEDED_FIRST = {"network": DRIVERS_BEFORE_NETWORK, "disc": DRIVERS_BEFORE_ISO}


class IsoNode:
    """A file or folder of a disc. Names are found in any case: without Rock Ridge all are capitals.

    A link of Rock Ridge is an empty file.
    """

    def __init__(self, files: Files, entry: IsoEntry) -> None:
        self._files = files
        self._entry = entry

    @property
    def kind(self) -> Kind:
        """What it is."""
        return "folder" if self._entry.is_folder else "file"

    @property
    def size_bytes(self) -> int:
        """The size of a file."""
        return self._files.size_bytes(self._entry)

    def names(self) -> list[str]:
        """What is in a folder."""
        return [entry.name for entry in self._files.entries(self._entry)]

    def child(self, name: str) -> IsoNode | None:
        """The entry of a folder with this name, the one in the same case first."""
        rows = self._files.entries(self._entry)
        same = [entry for entry in rows if entry.name.lower() == name.lower()]
        same.sort(key=lambda entry: entry.name != name)
        return IsoNode(self._files, same[0]) if same else None

    def read(self, limit_bytes: int = MAX_FILE_BYTES) -> bytes:
        """The content of a file, ``limit_bytes`` at most, as far as it is on the disc."""
        return self._files.content(self._entry).read_at(0, min(limit_bytes, self.size_bytes))

    def target(self) -> str:
        """Links are not followed."""
        return ""


def read_iso_linux(source: ImageSource) -> IsoLinux | None:
    """The facts of the Linux that the disc starts; None where there is none that is known.

    Where a system is known that has a Linux, there is an answer: ``problem`` says why it is none.
    """
    iso = read_iso(source)
    systems = [row for row in iso.systems if row.starts]
    if iso.systems and not systems:
        return None
    trees = open_files(source)
    problem = ""
    for files in trees:
        tree = Tree(IsoNode(files, files.root))
        entries = [*iso_entries(tree), *known_places(files, systems)]
        found = next((entry for entry in entries if not _lacks(tree, entry)), None)
        if found:
            return _read(iso, trees, tree, _spelled(tree, found))
        problem = problem or _why(tree, entries)
    return IsoLinux(problem=problem) if systems else None


def known_places(files: Files, systems: Iterable[System]) -> Iterator[Entry]:
    """What the discs of these systems start, as far as it is there."""
    for start in (start for row in systems for start in row.starts):
        before, _, after = posixpath.basename(start.kernel.lower()).partition("*")
        for kernel, _ in sorted(match_in_iso(files, start.kernel), key=lambda row: row[0]):
            name = posixpath.basename(kernel)
            part = name[len(before) : len(name) - len(after)]
            for initrd, _ in match_in_iso(files, start.initrd.replace("*", part)):
                yield Entry("", kernel, (initrd,), "", "")


def _lacks(tree: Tree, entry: Entry) -> str:
    """The first of the kernel and its initrds that is not there, or empty; "" where all are.

    A program for memory tests has no initrd, and a kernel on a disc without one is of no installer
    that is known.
    """
    for path in (entry.kernel, *(entry.initrds or ("",))):
        node = tree.find(path) if path else None
        if node is None or node.kind != "file" or not node.size_bytes:
            return path or "no initrd"
    return ""


def _spelled(tree: Tree, entry: Entry) -> Entry:
    """The same entry, its paths without what leads nowhere, such as ``..``."""
    kernel, *initrds = (tree.real_path(path) or path for path in (entry.kernel, *entry.initrds))
    return replace(entry, kernel=kernel, initrds=tuple(initrds))


def _why(tree: Tree, entries: Sequence[Entry]) -> str:
    """What keeps anything from being read."""
    for entry in entries:
        lacks = _lacks(tree, entry)
        if entry.initrds and entry.config and lacks:
            return f"{entry.config} names {lacks}, which is not on the disc"
    return "no kernel with an initrd was found on the disc"


def _read(iso: IsoFacts, trees: list[Files], tree: Tree, entry: Entry) -> IsoLinux:
    image = tree.read(entry.kernel) or b""
    kernel = read_kernel(image[:HEAD_BYTES])
    large = [path for path in entry.initrds if _size_bytes(tree, path) > MAX_FILE_BYTES]
    if large:
        initramfs, problem = None, f"{large[0]} is larger than what is read of an initrd"
    else:
        initramfs, problem = read_initrds(tree, entry.initrds)
    later = _later(iso, trees, entry, initramfs.names if initramfs else ())
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


def _later(iso: IsoFacts, trees: list[Files], entry: Entry, names: Collection[str]) -> Later | None:
    """What may bring more drivers; None where nothing may."""
    for later in (row.later for row in iso.systems if row.later):
        if not later.files:
            return later
        for files in trees:
            for path, _ in (row for name in later.files for row in match_in_iso(files, name)):
                return later.model_copy(update={"what": f"{later.what} ({path})"})
    other = _other_file(iso, trees, (entry.kernel, *entry.initrds))
    if other:
        return Later(what=other, over="disc")
    for end, what in _FETCHERS:
        if any(name.endswith(end) for name in names):
            return Later(what=what, over="network", on_demand=end == _ANNA)
    return None


def _other_file(iso: IsoFacts, trees: list[Files], used: tuple[str, ...]) -> str:
    """The largest file on a disc that may hold drivers; "" where none is.

    What is known not to hold any is passed over: what is ``used``, the boot images of the catalog,
    what a boot loader is made of. Nothing else proves that nothing comes.
    """
    passed = {row.offset for row in iso.boot_entries or ()}
    names = {path.lower() for path in used}
    largest, seen = (0, ""), 0
    for files in trees:
        for path, entry in _walk(files):
            seen += 1
            if seen > _MAX_ENTRIES or len(path) > _MAX_PATH_CHARS:
                return "one of the many files on the disc"
            size_bytes = 0 if entry.is_folder else files.size_bytes(entry)
            if size_bytes < _SMALLEST_DRIVER_BYTES or _is_barren(path.lower()):
                continue
            if entry.offset not in passed and path.lower() not in names:
                largest = max(largest, (size_bytes, path))
    return largest[1]


def _is_barren(path: str) -> bool:
    return path.endswith(_BARREN) or posixpath.basename(posixpath.dirname(path)) in _GRUB_FOLDERS


def _walk(files: Files) -> Iterator[tuple[str, IsoEntry]]:
    """All files and folders with their paths; a folder that is in itself is entered once."""
    folders, entered = [("", files.root)], {files.root.offset}
    while folders:
        path, folder = folders.pop()
        for entry in files.entries(folder):
            here = f"{path}/{entry.name}"
            yield here, entry
            if entry.is_folder and entry.offset not in entered:
                entered.add(entry.offset)
                folders.append((here, entry))
