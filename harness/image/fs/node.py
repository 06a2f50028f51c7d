"""The files and folders of any filesystem, as its reader shows them."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

Kind = Literal["file", "folder", "link", "other"]
MAX_FILE_BYTES = 256 << 20


class Node(Protocol):
    """A file, folder or link. Its facts are untrusted."""

    @property
    def kind(self) -> Kind:
        """The kind of the node."""

    @property
    def size_bytes(self) -> int:
        """The size of a file."""

    def names(self) -> list[str]:
        """The names in a folder."""

    def child(self, name: str) -> Node | None:
        """The entry of a folder with this name."""

    def read(self, limit_bytes: int = MAX_FILE_BYTES) -> bytes:
        """The content of a file, ``limit_bytes`` at most."""

    def target(self) -> str:
        """The target of a link."""


class Identity(NamedTuple):
    """The UUID and label of a filesystem, as in boot configurations; "" where it has none."""

    uuid: str
    label: str
