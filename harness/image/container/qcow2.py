r"""QCOW2, read from its bytes: header, extensions, tables. Facts only.

After QEMU's docs/interop/qcow2.rst. All numbers are big-endian. Only the file itself is opened: a
backing file or a data file is only a name here.

======  =====  ==========================
offset  bytes  field
======  =====  ==========================
0       4      magic ``QFI\xfb``
4       4      version, 2 or 3
8       8      backing_file_offset
16      4      backing_file_size
20      4      cluster_bits
24      8      size (virtual, in bytes)
32      4      crypt_method
36      4      l1_size (entries)
40      8      l1_table_offset
48      8      refcount_table_offset
56      4      refcount_table_clusters
60      4      nb_snapshots
64      8      snapshots_offset
72      8      incompatible_features (v3)
80      8      compatible_features (v3)
88      8      autoclear_features (v3)
96      4      refcount_order (v3)
100     4      header_length (v3)
104     1      compression_type
======  =====  ==========================
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from harness.image.source import ImageSource, OutOfReachError

_V2_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_V3_FIELDS = struct.Struct(">QQQII")
_V2_HEADER_BYTES = 72
_V3_HEADER_BYTES = 104

INCOMPATIBLE_BITS = {
    0: "dirty",
    1: "corrupt",
    2: "external data file",
    3: "compression type",
    4: "extended L2 entries",
}
"""The incompatible feature bits that are defined (section "Header", bytes 72-79)."""

# Header extension types (section "Header extensions").
_EXT_END = 0x00000000
_EXT_FEATURE_NAMES = 0x6803F857
_EXT_DATA_FILE = 0x44415441
_MAX_EXTENSIONS = 64

_COPIED_MASK = 0x00FFFFFFFFFFFE00  # bits 9-55 of an L1 or L2 entry: a host offset
_L2_COMPRESSED = 1 << 62
_SECTOR_BYTES = 512

# QEMU's own limits (block/qcow2.h: MIN/MAX_CLUSTER_BITS, QCOW_MAX_L1_SIZE,
# QCOW_MAX_REFTABLE_SIZE, QCOW_MAX_SNAPSHOTS; block/qcow2.c: backing file name of at most 1023).
MIN_CLUSTER_BITS, MAX_CLUSTER_BITS = 9, 21
MIN_CLUSTER_BITS_EXTENDED_L2 = 14
MAX_L1_BYTES = 32 << 20
MAX_REFCOUNT_TABLE_BYTES = 8 << 20
MAX_SNAPSHOTS = 65536
MAX_BACKING_NAME_BYTES = 1023
MAX_REFCOUNT_ORDER = 6

L2_BUDGET_BYTES = 2 << 20
"""The bytes of L2 tables that are read: all of an image of some 16 GiB, a sample of larger ones."""
_L1_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Qcow2Fault:
    """A violation of the specification at ``offset`` in bytes."""

    offset: int
    what: str


@dataclass(frozen=True, slots=True)
class Qcow2Facts:
    """The facts of the header, its extensions and the tables.

    ``faults`` are violations of the specification, ``missing_bytes`` is the part that the tables
    name beyond the end of the file. ``complete`` tells whether all L2 tables were read.
    """

    version: int
    virtual_size_bytes: int
    cluster_bits: int
    crypt_method: int
    snapshots: int
    incompatible: int
    feature_names: dict[int, str]
    backing_file: str | None
    data_file: str | None
    compression_type: int
    l1_offset: int
    l1_entries: int
    faults: tuple[Qcow2Fault, ...]
    missing_bytes: int
    compressed_clusters: bool
    complete: bool

    @property
    def unknown_features(self) -> tuple[str, ...]:
        """The names of incompatible features that are not in ``INCOMPATIBLE``."""
        return tuple(
            f"bit {bit} ({self.feature_names.get(bit, 'no name given')})"
            for bit in range(64)
            if self.incompatible >> bit & 1 and bit not in INCOMPATIBLE_BITS
        )

    def has(self, feature: str) -> bool:
        """Tell whether the incompatible feature with this name is set."""
        bit = next(bit for bit, name in INCOMPATIBLE_BITS.items() if name == feature)
        return bool(self.incompatible >> bit & 1)


@dataclass(frozen=True, slots=True)
class _Header:
    version: int
    backing_offset: int
    backing_bytes: int
    cluster_bits: int
    size_bytes: int
    crypt_method: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int
    incompatible: int = 0
    refcount_order: int = 4
    header_bytes: int = _V2_HEADER_BYTES
    compression_type: int = 0


def read_qcow2(source: ImageSource, l2_budget_bytes: int = L2_BUDGET_BYTES) -> Qcow2Facts:
    """Read the facts of a file that begins with the magic of qcow2 version 2 or 3.

    Never raises for its content. Reads little more than ``l2_budget_bytes`` and the L1 table, which
    has 32 MiB at most and usually far less than 1.
    """
    head = source.read_at(0, 64 << 10)
    header, faults = _read_header(head)
    names, data_file, extension_faults = _read_extensions(head, header)
    faults += extension_faults
    faults += _check_tables(header, source.size_bytes)
    backing, backing_faults = _read_backing_name(source, header)
    faults += backing_faults
    scan = _TableScan()
    external = bool(header.incompatible >> 2 & 1) or data_file is not None
    if not faults and not external:  # with a data file, the tables name offsets in that one
        scan = _scan_tables(source, header, l2_budget_bytes)
    return Qcow2Facts(
        version=header.version,
        virtual_size_bytes=header.size_bytes,
        cluster_bits=header.cluster_bits,
        crypt_method=header.crypt_method,
        snapshots=header.snapshots,
        incompatible=header.incompatible,
        feature_names=names,
        backing_file=backing,
        data_file=data_file,
        compression_type=header.compression_type,
        l1_offset=header.l1_offset,
        l1_entries=header.l1_entries,
        faults=tuple(faults) + tuple(scan.faults or ()),
        missing_bytes=max(0, scan.end_offset - source.size_bytes),
        compressed_clusters=scan.compressed,
        complete=scan.complete,
    )


def _read_header(head: bytes) -> tuple[_Header, list[Qcow2Fault]]:
    """The fields of the header; bytes beyond the end of the file count as zero."""
    fields = _V2_HEADER.unpack(head[:_V2_HEADER_BYTES].ljust(_V2_HEADER_BYTES, b"\0"))
    header = _Header(*fields[1:])
    if len(head) < _V2_HEADER_BYTES:
        return header, [Qcow2Fault(len(head), "the file ends inside the header")]
    if header.version == 2:
        return header, []
    rest = head[_V2_HEADER_BYTES:_V3_HEADER_BYTES].ljust(_V3_FIELDS.size, b"\0")
    incompatible, _, _, order, length = _V3_FIELDS.unpack(rest)
    compression = head[104] if length > _V3_HEADER_BYTES and len(head) > 104 else 0
    header = replace(
        header,
        incompatible=incompatible,
        refcount_order=order,
        header_bytes=length,
        compression_type=compression,
    )
    faults = []
    if len(head) < _V3_HEADER_BYTES:
        faults.append(Qcow2Fault(len(head), "the file ends inside the header"))
    if length < _V3_HEADER_BYTES or length % 8 or length > 1 << min(header.cluster_bits, 21):
        faults.append(Qcow2Fault(100, f"header_length is {length}"))
    if order > MAX_REFCOUNT_ORDER:
        faults.append(Qcow2Fault(96, f"refcount_order is {order}, more than {MAX_REFCOUNT_ORDER}"))
    return header, faults


def _read_extensions(
    head: bytes, header: _Header
) -> tuple[dict[int, str], str | None, list[Qcow2Fault]]:
    """The names of incompatible features, the name of the external data file, and faults."""
    names: dict[int, str] = {}
    data_file = None
    at = header.header_bytes
    for _ in range(_MAX_EXTENSIONS):
        if at + 8 > len(head):
            break
        kind, length = struct.unpack_from(">II", head, at)
        if kind == _EXT_END:
            break
        content = head[at + 8 : at + 8 + length]
        if len(content) < length:
            return (
                names,
                data_file,
                [Qcow2Fault(at, f"a header extension of {length} bytes does not fit")],
            )
        if kind == _EXT_FEATURE_NAMES:
            names.update(_feature_names(content))
        elif kind == _EXT_DATA_FILE:
            data_file = content.decode("utf-8", errors="replace")
        at += 8 + -(-length // 8) * 8
    return names, data_file, []


def _feature_names(table: bytes) -> Iterator[tuple[int, str]]:
    """Yield bit and name of the incompatible features in a feature name table (48 bytes a row)."""
    for at in range(0, len(table) - 47, 48):
        if table[at] == 0:
            name = table[at + 2 : at + 48].rstrip(b"\0")
            yield table[at + 1], name.decode("utf-8", errors="replace")


def _check_tables(header: _Header, file_bytes: int) -> list[Qcow2Fault]:
    """The faults of table offsets and sizes in the header."""
    low = MIN_CLUSTER_BITS_EXTENDED_L2 if header.incompatible >> 4 & 1 else MIN_CLUSTER_BITS
    if not low <= header.cluster_bits <= MAX_CLUSTER_BITS:
        what = f"cluster_bits is {header.cluster_bits}, not between {low} and {MAX_CLUSTER_BITS}"
        return [Qcow2Fault(20, what)]
    cluster = 1 << header.cluster_bits
    faults = []
    l2_entries = cluster // (16 if header.incompatible >> 4 & 1 else 8)
    needed = -(-header.size_bytes // (cluster * l2_entries))
    tables = (
        (40, "l1_table", header.l1_offset, header.l1_entries * 8, MAX_L1_BYTES),
        (
            48,
            "refcount_table",
            header.refcount_offset,
            header.refcount_clusters * cluster,
            MAX_REFCOUNT_TABLE_BYTES,
        ),
    )
    for at, name, offset, length, limit in tables:
        if length > limit:
            faults.append(Qcow2Fault(at, f"the {name} of {length} bytes is larger than QEMU takes"))
        elif offset % cluster:
            faults.append(Qcow2Fault(at, f"{name}_offset {offset} is not at a cluster's start"))
        elif length and offset == 0:
            faults.append(Qcow2Fault(at, f"{name}_offset is 0, where the header is"))
        elif offset >= file_bytes and length:
            faults.append(
                Qcow2Fault(at, f"the {name} at {offset} is beyond the file's {file_bytes} bytes")
            )
    if header.l1_entries < needed:
        what = f"l1_size is {header.l1_entries}, a disk of this size needs {needed}"
        faults.append(Qcow2Fault(36, what))
    if header.refcount_clusters == 0:
        faults.append(Qcow2Fault(56, "refcount_table_clusters is 0"))
    if header.snapshots > MAX_SNAPSHOTS:
        faults.append(
            Qcow2Fault(60, f"nb_snapshots is {header.snapshots}, more than {MAX_SNAPSHOTS}")
        )
    elif header.snapshots and (
        header.snapshots_offset % cluster or header.snapshots_offset >= file_bytes
    ):
        what = f"snapshots_offset {header.snapshots_offset} leads to no snapshot table"
        faults.append(Qcow2Fault(64, what))
    return faults


def _read_backing_name(source: ImageSource, header: _Header) -> tuple[str | None, list[Qcow2Fault]]:
    if header.backing_offset == 0:
        return None, []
    if header.backing_bytes > MAX_BACKING_NAME_BYTES:
        return "", [Qcow2Fault(16, f"backing_file_size is {header.backing_bytes}")]
    try:
        name = source.read_at(min(header.backing_offset, 1 << 62), header.backing_bytes)
    except OutOfReachError:
        name = b""
    return name.decode("utf-8", errors="replace"), []


@dataclass(slots=True)
class _TableScan:
    """The result of reading the tables. ``end_offset`` is the end of the last cluster named."""

    end_offset: int = 0
    compressed: bool = False
    complete: bool = True
    faults: list[Qcow2Fault] | None = None


def _scan_tables(source: ImageSource, header: _Header, l2_budget_bytes: int) -> _TableScan:
    """Read the L1 table, and L2 tables up to the budget, evenly spread."""
    cluster = 1 << header.cluster_bits
    scan = _TableScan(faults=[])
    refcount_end = header.refcount_offset + header.refcount_clusters * cluster
    scan.end_offset = max(header.l1_offset + header.l1_entries * 8, refcount_end)
    try:
        _scan_l1(source, header, scan, l2_budget_bytes)
    except OutOfReachError:
        scan.complete = False
    return scan


def _scan_l1(source: ImageSource, header: _Header, scan: _TableScan, l2_budget_bytes: int) -> None:
    cluster = 1 << header.cluster_bits
    # A compact array, in large chunks: a hostile L1 table has four million entries.
    offsets = array("Q")
    low_bits = last_index = 0
    for first, entries in _l1_chunks(source, header):
        found = [entry & _COPIED_MASK for entry in entries if entry & _COPIED_MASK]
        if found:
            offsets.extend(found)
            low_bits |= reduce(or_, found) & (cluster - 1)
            last_index = first + _last_nonzero(entries)
    if low_bits:
        scan.faults = [_misplaced_table(source, header)]
        return
    if not offsets:
        return
    scan.end_offset = max(scan.end_offset, max(offsets) + cluster)
    step = max(1, -(-len(offsets) * cluster // l2_budget_bytes))
    last_bytes = _table_bytes(header, last_index)
    if len(offsets) == 1:
        step = max(1, -(-last_bytes // l2_budget_bytes))
    scan.complete = step == 1
    # The tables of a file that grew are in order: the last one names the end of the file.
    for offset in sorted({*offsets[::step], offsets[-1]}):
        length = last_bytes if offset == offsets[-1] else cluster
        _scan_l2(source, header, offset, min(length, l2_budget_bytes), scan)


def _last_nonzero(entries: array[int]) -> int:
    return next(at for at in range(len(entries) - 1, -1, -1) if entries[at])


def _misplaced_table(source: ImageSource, header: _Header) -> Qcow2Fault:
    """The fault of the first L1 entry that does not point to the start of a cluster."""
    cluster = 1 << header.cluster_bits
    for first, entries in _l1_chunks(source, header):
        for index, entry in enumerate(entries, first):
            if (offset := entry & _COPIED_MASK) % cluster:
                at = header.l1_offset + 8 * index
                return Qcow2Fault(at, f"an L2 table at {offset}, not at a cluster's start")
    return Qcow2Fault(header.l1_offset, "the L1 table changes while it is read")


def _table_bytes(header: _Header, index: int) -> int:
    """The size of the L2 table of an L1 entry; the last table ends with the disk."""
    entry_bytes = 16 if header.incompatible >> 4 & 1 else 8
    cluster = 1 << header.cluster_bits
    entries = cluster // entry_bytes
    left = -(-header.size_bytes // cluster) - index * entries
    return max(0, min(entries, left)) * entry_bytes


def _l1_chunks(source: ImageSource, header: _Header) -> Iterator[tuple[int, array[int]]]:
    """Yield the L1 table in chunks: the index of the first entry, and the entries."""
    end = header.l1_offset + header.l1_entries * 8
    for at in range(header.l1_offset, end, _L1_CHUNK_BYTES):
        chunk = source.read_at(at, min(_L1_CHUNK_BYTES, end - at))
        entries = array("Q", chunk[: len(chunk) // 8 * 8])
        if sys.byteorder == "little":
            entries.byteswap()
        yield (at - header.l1_offset) // 8, entries


def _scan_l2(
    source: ImageSource, header: _Header, offset: int, length: int, scan: _TableScan
) -> None:
    """Record the furthest cluster in one L2 table, and whether any is compressed.

    Only the first sector of that cluster must exist: a writer may omit zeros at the end of the
    file, where QEMU reads zeros.
    """
    table = source.read_at(offset, length)
    entries = struct.unpack_from(f">{len(table) // 8}Q", table)
    if header.incompatible >> 4 & 1:
        # Extended entries: the offset, then the bitmap of its subclusters.
        entries = entries[::2]
    furthest = 0
    for entry in entries:
        if entry & _L2_COMPRESSED:
            scan.compressed = True
            furthest = max(furthest, _compressed_end(entry, header.cluster_bits))
        elif entry & _COPIED_MASK:
            furthest = max(furthest, (entry & _COPIED_MASK) + _SECTOR_BYTES)
    scan.end_offset = max(scan.end_offset, furthest)


def _compressed_end(entry: int, cluster_bits: int) -> int:
    """The minimum end of a compressed cluster: its first byte, and all full sectors but the last.

    Section "Compressed Clusters Descriptor": the offset takes 62 - (cluster_bits - 8) bits, then
    comes the number of additional 512-byte sectors. The data may end anywhere in the last one.
    """
    bits = 62 - (cluster_bits - 8)
    offset = entry & ((1 << bits) - 1)
    sectors = entry >> bits & ((1 << (62 - bits)) - 1)
    first_sector = offset & ~511
    return max(offset + 1, first_sector + sectors * 512 + 1)
