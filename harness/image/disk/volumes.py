"""The volumes of a disk: partitions, logical volumes, or the whole disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyvslvm

from harness.image.disk.partitions import PartitionTable
from harness.image.fs.filesystem import FileObject, Filesystem, identify_filesystem
from harness.image.fs.node import Node
from harness.image.source import ImageSource, Window


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a disk, and the filesystem on it."""

    name: str
    source: ImageSource
    filesystem: Filesystem
    uuid: str
    label: str
    partition_type: str

    @property
    def type(self) -> str:
        """The type of the filesystem, as blkid(8) names it; "" for an unknown one."""
        return self.filesystem.name

    def open(self) -> Node | None:
        """Open the root folder; None without a reader. Raises any exception of the reader."""
        opener = self.filesystem.open
        return opener(self.source) if opener else None


class _LogicalVolume:
    """A logical volume as a source. It keeps the handles that it reads through."""

    def __init__(self, volume: Any, handles: tuple[Any, ...], location: str) -> None:
        self._volume, self._handles = volume, handles
        self.location = location
        self.size_bytes = int(volume.size)
        self.bytes_read = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``; fewer only at the end."""
        length = min(length, self.size_bytes - offset)
        return bytes(self._volume.read_buffer_at_offset(length, offset)) if length > 0 else b""


def volumes(disk: ImageSource, table: PartitionTable) -> Iterator[Volume]:
    """Yield all volumes of ``disk``, with the logical volumes in place of LVM physical volumes."""
    if not table.partitions:
        yield from _with_lvm(_volume("the disk", disk, ""))
    for part in table.partitions:
        window = Window(disk, part.start_bytes, part.size_bytes)
        yield from _with_lvm(_volume(f"partition {part.number}", window, part.type))


def _with_lvm(volume: Volume) -> Iterator[Volume]:
    if volume.type != "LVM2_member":
        yield volume
        return
    yield from _logical_volumes(volume)


def _logical_volumes(physical: Volume) -> Iterator[Volume]:
    file = FileObject(physical.source)
    handle = pyvslvm.handle()
    handle.open_file_object(file)
    handle.open_physical_volume_files_as_file_objects([file])
    group = handle.get_volume_group()
    for logical in group.logical_volumes:
        source = _LogicalVolume(logical, (file, handle, group), physical.source.location)
        name = f"logical volume {group.name}/{logical.name} in {physical.name}"
        yield _volume(name, source, "")


def _volume(name: str, source: ImageSource, partition_type: str) -> Volume:
    filesystem = identify_filesystem(source)
    identity = filesystem.identity(source)
    return Volume(name, source, filesystem, identity.uuid, identity.label, partition_type)
