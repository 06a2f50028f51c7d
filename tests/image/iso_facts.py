"""Facts of an ISO image on this host."""

from __future__ import annotations

from pathlib import Path

from harness.image.iso.iso_image import IsoFacts, find_in_iso, open_filesystems, read_iso
from harness.image.source import LocalFile


def facts_of(path: Path) -> IsoFacts:
    with LocalFile(path) as source:
        return read_iso(source)


def families(path: Path) -> list[tuple[str, str]]:
    return [(row.family, row.kind) for row in facts_of(path).systems]


def content_on(path: Path, name: str) -> tuple[int, bytes]:
    """The stated size of the file, and the content that can be read."""
    with LocalFile(path) as source:
        tree_of_files = open_filesystems(source)[0]
        (entry,) = find_in_iso(tree_of_files, name)
        content = tree_of_files.content(entry)
        return tree_of_files.size_bytes(entry), content.read_at(0, content.size_bytes)
