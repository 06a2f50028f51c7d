"""The volumes of a disk: its partitions, the logical volumes in them, or the disk as one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyvslvm

from harness.image.disk.partitions import PartitionTable
from harness.image.fs.filesystem import FileObject, Node, file_system_type, open_root
from harness.image.source import ImageSource, Window


@dataclass(frozen=True, slots=True)
class Volume:
    """A stretch of a disk. ``type`` is as blkid(8) names it, "" for what nobody knows."""

    name: str
    source: ImageSource
    type: str
    uuid: str
    label: str
    partition_type: str

    def open(self) -> Node | None:
        """Its root folder; None where there is no reader. Raises what a reader raises."""
        return open_root(self.source, self.type)


class _LogicalVolume:
    """A logical volume as a source; it keeps the handle that it reads through."""

    def __init__(self, volume: Any, handles: tuple[Any, ...], location: str) -> None:
        self._volume, self._handles = volume, handles
        self.location = location
        self.size_bytes = int(volume.size)
        self.bytes_read = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        length = min(length, self.size_bytes - offset)
        return bytes(self._volume.read_buffer_at_offset(length, offset)) if length > 0 else b""


def volumes(disk: ImageSource, table: PartitionTable) -> Iterator[Volume]:
    """All volumes of ``disk``, physical volumes of LVM replaced by what is in them."""
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
    kind = file_system_type(source)
    identifier, label = _identity(source, kind)
    return Volume(name, source, kind, identifier, label, partition_type)


def _identity(source: ImageSource, kind: str) -> tuple[str, str]:
    """UUID and label, from where each superblock has them."""
    places = {
        "ext4": (1024 + 0x68, 1024 + 0x78, 16),
        "xfs": (32, 108, 12),
        "btrfs": (65568, 65835, 256),
    }
    if kind in places:
        uuid_at, label_at, label_bytes = places[kind]
        identifier = str(uuid.UUID(bytes=source.read_at(uuid_at, 16).ljust(16, b"\0")))
        raw_label = source.read_at(label_at, label_bytes).split(b"\0")[0]
        return identifier, raw_label.decode("utf-8", errors="replace")
    if kind == "vfat":
        head = source.read_at(0, 96)
        at = 67 if head[82:87] == b"FAT32" else 39
        serial = head[at : at + 4][::-1].hex().upper()
        label = head[at + 4 : at + 15].decode("ascii", errors="replace").strip()
        return f"{serial[:4]}-{serial[4:]}", label
    return "", ""
