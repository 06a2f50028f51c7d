"""The file tree of a system: links resolved inside the image, volumes mounted."""

from __future__ import annotations

import fnmatch
import posixpath

from harness.image.fs.node import MAX_FILE_BYTES, Node

_MAX_HOPS = 40  # the limit of Linux (path_resolution(7))
_MAX_MATCHES = 512


class Tree:
    """A root folder with other roots mounted below it. No path leads outside."""

    def __init__(self, root: Node, mounts: dict[str, Node] | None = None) -> None:
        self._root = root
        self._mounts = mounts or {}

    def mount(self, path: str, root: Node) -> None:
        """Mount ``root`` at the absolute ``path``."""
        self._mounts[posixpath.normpath(path)] = root

    def find(self, path: str) -> Node | None:
        """The node at ``path``, with links resolved; None if missing."""
        found = self._resolve(path)
        return found[1] if found else None

    def real_path(self, path: str) -> str | None:
        """``path`` with links resolved; None where there is nothing."""
        found = self._resolve(path)
        return found[0] if found else None

    def exists(self, path: str) -> bool:
        """Tell whether ``path`` exists."""
        return self._resolve(path) is not None

    def read(self, path: str, limit_bytes: int = MAX_FILE_BYTES) -> bytes | None:
        """The content of a file; None if missing."""
        node = self.find(path)
        return node.read(limit_bytes) if node is not None and node.kind == "file" else None

    def text(self, path: str, limit_bytes: int = 1 << 20) -> str:
        """The text of a file; "" if missing."""
        return (self.read(path, limit_bytes) or b"").decode("utf-8", errors="replace")

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; none where it does not exist."""
        node = self.find(path)
        return sorted(node.names()) if node is not None and node.kind == "folder" else []

    def match(self, pattern: str) -> list[str]:
        """The paths that match an absolute ``pattern``, sorted; ``*`` matches within one name."""
        found = ["/"]
        for part in pattern.strip("/").split("/"):
            if "*" in part:
                found = [
                    posixpath.join(folder, name)
                    for folder in found
                    for name in self.names(folder)
                    if fnmatch.fnmatchcase(name, part)
                ][:_MAX_MATCHES]
            else:
                found = [posixpath.join(folder, part) for folder in found]
        return [path for path in found if self.exists(path)]

    def _resolve(self, path: str) -> tuple[str, Node] | None:
        rest = [part for part in path.split("/") if part not in ("", ".")]
        stack: list[tuple[str, Node]] = [("/", self._mounts.get("/", self._root))]
        hops = 0
        while rest:
            part = rest.pop(0)
            if part == "..":
                if len(stack) > 1:
                    stack.pop()
                continue
            here, folder = stack[-1]
            if folder.kind != "folder":
                return None
            child = folder.child(part)
            at = posixpath.join(here, part)
            if child is not None and child.kind == "link":
                hops += 1
                if hops > _MAX_HOPS:
                    return None
                target = child.target()
                if target.startswith("/"):
                    del stack[1:]
                rest = [step for step in target.split("/") if step not in ("", ".")] + rest
                continue
            child = self._mounts.get(at, child)
            if child is None:
                return None
            stack.append((at, child))
        return stack[-1]
