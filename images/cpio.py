"""Initramfs archives, copied without some entries."""

from __future__ import annotations

import gzip
import lzma
import sys
from collections.abc import Callable, Iterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from harness.image.fs.newc import HEADER_BYTES, MAGIC, TRAILER, NewcEntry, NewcHeader, read_header


def entries_of(initramfs: bytes) -> Iterator[NewcEntry]:
    """Return the entries of the packed archive of an initramfs; raises ValueError for others."""
    archive = _unpacked(_split(initramfs)[1])
    at = 0
    while True:
        header, name, data_at = _entry_at(archive, at)
        if name == TRAILER:
            return
        data_end = data_at + header.size_bytes
        yield NewcEntry(name, header.mode, archive[data_at:data_end])
        at = data_end + header.padding_bytes


def without(initramfs: bytes, unwanted: Callable[[str], bool]) -> tuple[bytes, int]:
    """Return an initramfs without the entries whose path is ``unwanted``, and their number.

    Archives before the packed one are kept as they are (microcode, plain); what is packed comes
    back packed with gzip. Raises ValueError where it is no such thing.
    """
    early, packed = _split(initramfs)
    archive = _unpacked(packed)
    kept, at, dropped = [], 0, 0
    while True:
        header, name, data_at = _entry_at(archive, at)
        end = data_at + header.size_bytes + header.padding_bytes
        if name == TRAILER:
            kept.append(archive[at:end])
            break
        if unwanted(name):
            dropped += 1
        else:
            kept.append(archive[at:end])
        at = end
    return early + gzip.compress(b"".join(kept), compresslevel=1, mtime=0), dropped


def _split(initramfs: bytes) -> tuple[bytes, bytes]:
    """Split an initramfs into its leading plain archives, padding included, and the rest."""
    at = 0
    while initramfs.startswith(MAGIC.encode(), at):
        start, name = at, ""
        while name != TRAILER:
            header, name, data_at = _entry_at(initramfs, at)
            at = data_at + header.size_bytes + header.padding_bytes
        while initramfs[at : at + 1] == b"\0":
            at += 1
        if at == len(initramfs):  # nothing is packed: the last one is the one that matters
            return initramfs[:start], initramfs[start:]
    return initramfs[:at], initramfs[at:]


def _unpacked(packed: bytes) -> bytes:
    if packed.startswith(b"\x1f\x8b"):
        return gzip.decompress(packed)
    if packed.startswith(b"\xfd7zXZ\0"):
        return lzma.decompress(packed)
    if packed.startswith(b"\x28\xb5\x2f\xfd"):
        return bytes(zstd.decompress(packed))
    if packed.startswith(MAGIC.encode()):
        return packed
    raise ValueError(f"an initramfs is packed in an unknown way ({packed[:4].hex(' ')})")


def _entry_at(archive: bytes, at: int) -> tuple[NewcHeader, str, int]:
    """Return header, path without "./", and offset of the content of the entry at an offset."""
    try:
        header = read_header(archive[at : at + HEADER_BYTES])
    except ValueError as error:
        raise ValueError(f"byte {at}: no entry of a newc archive") from error
    name_at = at + HEADER_BYTES
    name = archive[name_at : name_at + header.name_bytes - 1].decode()
    data_at = name_at + header.name_bytes + header.name_padding_bytes
    return header, name.removeprefix("./"), data_at
