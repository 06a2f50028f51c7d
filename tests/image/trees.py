"""Files of a system in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.image.fs.node import MAX_FILE_BYTES, Kind
from harness.image.fs.tree import Tree


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    to: str


@dataclass(frozen=True)
class MadeUpNode:
    """A node in memory. Its ``content`` is a dict for a folder, a text for a file, or a link."""

    content: Any

    @property
    def kind(self) -> Kind:
        kinds: dict[type, Kind] = {dict: "folder", str: "file", Link: "link"}
        return kinds[type(self.content)]

    @property
    def size_bytes(self) -> int:
        return len(self.content.encode())

    def names(self) -> list[str]:
        return list(self.content)

    def child(self, name: str) -> MadeUpNode | None:
        return MadeUpNode(self.content[name]) if name in self.content else None

    def read(self, limit_bytes: int = MAX_FILE_BYTES) -> bytes:
        return self.content.encode()[:limit_bytes]

    def target(self) -> str:
        return self.content.to


def node_of(files: dict[str, str | Link]) -> MadeUpNode:
    """The root folder with these files by absolute path."""
    root: dict[str, Any] = {}
    for path, content in files.items():
        *folders, name = path.strip("/").split("/")
        here = root
        for folder in folders:
            here = here.setdefault(folder, {})
        here[name] = content
    return MadeUpNode(root)


def tree_of(files: dict[str, str | Link]) -> Tree:
    return Tree(node_of(files))
