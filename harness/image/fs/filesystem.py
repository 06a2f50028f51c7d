"""The table of filesystems, and the reader for each that has one.

ext2/3/4, XFS and NTFS are read by libyal's libraries, btrfs by fs-explorer, FAT by our own reader.
They parse untrusted bytes: this module is for the child process that :mod:`harness.examine.child`
starts under limits.
"""

from __future__ import annotations

import io
import stat
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pyfsext
import pyfsntfs
import pyfsxfs
from fs_explorer import TargetNotFoundError, open_source

from harness.image.fs.fat import FatEntry, FatVolume
from harness.image.fs.node import MAX_FILE_BYTES, Identity, Kind, Node
from harness.image.source import ImageSource

Role = Literal["files", "encrypted", "no files"]
"""``files`` and ``encrypted``: a system may be on it. ``no files``: it holds no system."""

_MAX_TARGET_BYTES = 4096
_MAX_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A filesystem type: its name in blkid(8), its magics and its reader.

    ``magics`` are byte offsets, each with the bytes there. ``open`` returns the root folder, and
    raises any exception of its library on a damaged one; it is None where there is no reader.
    """

    name: str
    role: Role
    magics: tuple[tuple[int, bytes], ...] = ()
    open: Callable[[ImageSource], Node] | None = None
    identity: Callable[[ImageSource], Identity] = lambda _: Identity("", "")


class FileObject(io.RawIOBase):
    """A source as a file object, for libraries that need one."""

    def __init__(self, source: ImageSource) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Read ``size`` bytes from the current position; all remaining ones where negative."""
        left = max(0, self._source.size_bytes - self._at)
        count = left if size is None or size < 0 else min(size, left)
        content = self._source.read_at(self._at, count)
        self._at += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the current position."""
        base = (0, self._at, self._source.size_bytes)[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """The current position."""
        return self._at

    def get_size(self) -> int:
        """The size of the source, for libyal."""
        return self._source.size_bytes


class LibyalNode:
    """A file entry of libfsext, libfsxfs or libfsntfs."""

    def __init__(self, entry: Any, volume: Any, *, fold_case: bool = False) -> None:
        self._entry = entry
        self._fold_case = fold_case
        # The entry reads through its volume, which must not be freed before it.
        self._volume = volume
        self._listed: dict[str, LibyalNode] | None = None

    @property
    def kind(self) -> Kind:
        """The kind of the node by its mode; NTFS has none."""
        mode = getattr(self._entry, "file_mode", None)
        if mode is None:
            return "file" if self._entry.has_default_data_stream() else "folder"
        if stat.S_ISREG(mode):
            return "file"
        if stat.S_ISDIR(mode):
            return "folder"
        return "link" if stat.S_ISLNK(mode) else "other"

    @property
    def size_bytes(self) -> int:
        """The size of a file."""
        return int(self._entry.get_size())

    def names(self) -> list[str]:
        """The names in a folder."""
        return list(self._children())

    def child(self, name: str) -> Node | None:
        """The entry of a folder with this name; ignoring case where the filesystem does."""
        found = self._children().get(name)
        if found is None and self._fold_case:
            same = (node for key, node in self._children().items() if key.lower() == name.lower())
            found = next(same, None)
        return found

    def _children(self) -> dict[str, LibyalNode]:
        # By index: the lookup by name of libfsext fails for existing names.
        if self._listed is None:
            count = min(int(self._entry.number_of_sub_file_entries), _MAX_ENTRIES)
            entries = (self._entry.get_sub_file_entry(index) for index in range(count))
            nodes = (
                (str(entry.name), LibyalNode(entry, self._volume, fold_case=self._fold_case))
                for entry in entries
            )
            self._listed = {name: node for name, node in nodes if name not in (".", "..")}
        return self._listed

    def read(self, limit_bytes: int = MAX_FILE_BYTES) -> bytes:
        """The content of a file, ``limit_bytes`` at most."""
        count = min(self.size_bytes, limit_bytes)
        if count == 0:
            return b""
        self._entry.seek(0)
        return bytes(self._entry.read_buffer(count))

    def target(self) -> str:
        """The target of a link."""
        return str(self._entry.get_symbolic_link_target() or "")[:_MAX_TARGET_BYTES]


class FatNode:
    """A file or folder of a FAT volume."""

    def __init__(self, volume: FatVolume, entry: FatEntry | None) -> None:
        self._volume = volume
        self._entry = entry

    @property
    def kind(self) -> Kind:
        """The kind of the node."""
        return "folder" if self._entry is None or self._entry.is_folder else "file"

    @property
    def size_bytes(self) -> int:
        """The size of a file."""
        return self._entry.size_bytes if self._entry else 0

    def names(self) -> list[str]:
        """The names in a folder."""
        return [entry.name for entry in self._volume.entries(self._entry)]

    def child(self, name: str) -> Node | None:
        """The entry of a folder with this name, in any case."""
        for entry in self._volume.entries(self._entry):
            if entry.name.lower() == name.lower():
                return FatNode(self._volume, entry)
        return None

    def read(self, limit_bytes: int = MAX_FILE_BYTES) -> bytes:
        """The content of a file, ``limit_bytes`` at most."""
        return self._volume.read(self._entry, limit_bytes) if self._entry else b""

    def target(self) -> str:
        """Return "": FAT has no links."""
        return ""


class BtrfsNode:
    """An entry of fs-explorer's btrfs reader, by path: the reader has no handles."""

    def __init__(self, source: Any, path: str, kind: str, size_bytes: int, link: str) -> None:
        self._source = source
        self._path = path
        self._kind = kind
        self.size_bytes = size_bytes
        self._link = link

    @property
    def kind(self) -> Kind:
        """The kind of the node."""
        kinds: dict[str, Kind] = {
            **dict.fromkeys(("file", "hardlink"), "file"),
            **dict.fromkeys(("dir", "volume"), "folder"),
            "symlink": "link",
        }
        return kinds.get(self._kind, "other")

    def names(self) -> list[str]:
        """The names in a folder."""
        return [entry.name for entry in self._source.entries(self._path, recursive=0)]

    def child(self, name: str) -> Node | None:
        """The entry of a folder with this name."""
        path = f"{self._path.rstrip('/')}/{name}"
        try:
            entry = self._source.stat(path)
        except TargetNotFoundError:
            return None
        link = entry.link_target or ""
        return BtrfsNode(self._source, path, entry.type.value, entry.size or 0, link)

    def read(self, limit_bytes: int = MAX_FILE_BYTES) -> bytes:
        """The content of a file, ``limit_bytes`` at most."""
        with self._source.open_file(self._path, follow_symlinks=False) as file:
            return bytes(file.read(limit_bytes))

    def target(self) -> str:
        """The target of a link."""
        return self._link[:_MAX_TARGET_BYTES]


def _open_ext(source: ImageSource) -> Node:
    return _open_libyal(pyfsext.volume(), source)


def _open_xfs(source: ImageSource) -> Node:
    return _open_libyal(pyfsxfs.volume(), source)


def _open_ntfs(source: ImageSource) -> Node:
    return _open_libyal(pyfsntfs.volume(), source, fold_case=True)


def _open_libyal(volume: Any, source: ImageSource, *, fold_case: bool = False) -> Node:
    volume.open_file_object(FileObject(source))
    return LibyalNode(volume.get_root_directory(), volume, fold_case=fold_case)


def _open_fat(source: ImageSource) -> Node:
    volume = FatVolume.open(source)
    if volume is None:
        raise ValueError("no FAT volume")
    return FatNode(volume, None)


def _open_btrfs(source: ImageSource) -> Node:
    image = open_source(FileObject(source))
    root: Node = BtrfsNode(image, "/", "dir", 0, "")
    for part in _default_subvolume(root):
        child = root.child(part)
        if child is None:
            break
        root = child
    return root


def _default_subvolume(root: Node) -> list[str]:
    """The path of the subvolume of the system in the layouts of distributions, [] for the top."""
    names = root.names()
    if "etc" in names:
        return []
    for candidate in (["@"], ["root"], ["@rootfs"], ["@", ".snapshots", "1", "snapshot"]):
        if candidate[0] in names:
            return candidate
    return []


def _fat_identity(source: ImageSource) -> Identity:
    head = source.read_at(0, 96)
    at = 67 if head[82:87] == b"FAT32" else 39
    serial = head[at : at + 4][::-1].hex().upper()
    label = head[at + 4 : at + 15].decode("ascii", errors="replace").strip()
    return Identity(f"{serial[:4]}-{serial[4:]}", label)


def _identity_at(
    uuid_at: int, label_at: int, label_bytes: int
) -> Callable[[ImageSource], Identity]:
    """Return a reader of the UUID and label at these offsets of a superblock."""

    def read(source: ImageSource) -> Identity:
        identifier = uuid.UUID(bytes=source.read_at(uuid_at, 16).ljust(16, b"\0"))
        label = source.read_at(label_at, label_bytes).split(b"\0")[0]
        return Identity(str(identifier), label.decode("utf-8", errors="replace"))

    return read


# Superblock magics are those of libblkid/src/superblocks/*.c of util-linux.
FILESYSTEMS = (
    Filesystem("crypto_LUKS", "encrypted", ((0, b"LUKS\xba\xbe"),)),
    Filesystem("BitLocker", "encrypted", ((3, b"-FVE-FS-"),)),
    Filesystem("LVM2_member", "files", ((512, b"LABELONE"),)),
    Filesystem("xfs", "files", ((0, b"XFSB"),), _open_xfs, _identity_at(32, 108, 12)),
    Filesystem("ntfs", "files", ((3, b"NTFS    "),), _open_ntfs),
    Filesystem(
        "ext4", "files", ((1080, b"\x53\xef"),), _open_ext, _identity_at(1024 + 104, 1024 + 120, 16)
    ),
    Filesystem(
        "btrfs", "files", ((65600, b"_BHRfS_M"),), _open_btrfs, _identity_at(65568, 65835, 256)
    ),
    Filesystem("swap", "no files", ((4086, b"SWAPSPACE2"),)),
    Filesystem("squashfs", "no files", ((0, b"hsqs"),)),
    Filesystem("iso9660", "no files", ((32769, b"CD001"),)),
    # FreeBSD, sys/ufs/ffs/fs.h: fs_magic is at byte 1372 of the superblock (SBLOCK_UFS2, _UFS1).
    Filesystem(
        "ufs",
        "files",
        ((65536 + 1372, b"\x19\x01\x54\x19"), (8192 + 1372, b"\x54\x19\x01\x00")),
    ),
    Filesystem("linux_raid_member", "no files", ((4096, b"\xfc\x4e\x2b\xa9"),)),
    # FAT has no magic: its boot sector must be valid.
    Filesystem("vfat", "files", (), _open_fat, _fat_identity),
)
"""The filesystem types that are recognised; the first with a matching magic counts."""

_BY_NAME = {row.name: row for row in FILESYSTEMS}
UNKNOWN = Filesystem("", "no files")
ZEROS = Filesystem("zeros", "no files")


def identify_filesystem(source: ImageSource) -> Filesystem:
    """Return the filesystem that begins at the start of ``source``; ``UNKNOWN`` for others."""
    head = source.read_at(0, 66 << 10)
    for row in FILESYSTEMS:
        for offset, magic in row.magics:
            if head[offset : offset + len(magic)] == magic:
                return row
    if FatVolume.open(source) is not None:
        return _BY_NAME["vfat"]
    return UNKNOWN if any(head) else ZEROS
