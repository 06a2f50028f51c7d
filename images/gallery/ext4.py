"""Changing an ext4 inside a raw disk in place, by debugfs: no root, no mount, no loop device."""

from __future__ import annotations

import posixpath
import re
import stat
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from images.recipe import RecipeError
from images.steps import run


@dataclass(frozen=True, slots=True)
class Ext4:
    """The file system that begins at byte ``offset_bytes`` of ``disk``."""

    disk: Path
    offset_bytes: int = 0

    def match(self, pattern: str) -> list[str]:
        """Return the paths that ``pattern`` matches; a wildcard matches within one component.

        Raises RecipeError if missing.
        """
        found = ["/"]
        for part in pattern.strip("/").split("/"):
            found = [
                posixpath.join(folder, name)
                for folder in found
                for name in self._names(folder)
                if fnmatchcase(name, part)
            ]
        if not found:
            raise RecipeError(f"{pattern}: nothing of that name is in the file system.")
        return found

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "file"
            self.commands(f'dump "{path}" {copy}')
            if not copy.exists():
                raise RecipeError(f"{path}: cannot be read.")
            return copy.read_bytes()

    def write(self, path: str, content: bytes, mode: int | None = None) -> None:
        """Write a file owned by root, replacing an existing one; missing folders are made.

        Its mode is ``mode``, or what it was, or 0644.
        """
        folder, name = posixpath.split(path)
        self._make_folders(folder)
        names = self._names(folder)
        if mode is None:
            mode = names.get(name, stat.S_IFREG | 0o644)
        with tempfile.TemporaryDirectory() as work:
            copy = Path(work) / "file"
            copy.write_bytes(content)
            self.commands(
                *([f'rm "{path}"'] if name in names else []),
                f'write {copy} "{path}"',
                f'sif "{path}" mode 0{stat.S_IFREG | stat.S_IMODE(mode):o}',
                f'sif "{path}" uid 0',
                f'sif "{path}" gid 0',
            )

    def remove(self, path: str) -> None:
        """Remove a file."""
        self.commands(f'rm "{path}"')

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link, replacing an existing file."""
        folder, name = posixpath.split(path)
        self._make_folders(folder)
        if name in self._names(folder):
            self.remove(path)
        self.commands(f'symlink "{path}" "{target}"')

    def free_blocks(self) -> int:
        """Return the number of free blocks, those reserved for root included."""
        found = re.search(r"^Free blocks:\s*(\d+)", self.commands("stats -h"), re.MULTILINE)
        if not found:
            raise RecipeError("debugfs does not say how many blocks are free.")
        return int(found[1])

    def commands(self, *commands: str) -> str:
        """Run debugfs commands, and return the output; raises RecipeError for an error message."""
        where = f"{self.disk}?offset={self.offset_bytes}" if self.offset_bytes else self.disk
        with tempfile.TemporaryDirectory() as folder:
            script, complaints = Path(folder) / "commands", Path(folder) / "complaints"
            script.write_text("\n".join(commands) + "\n", encoding="utf-8")
            # debugfs always exits with status 0: only its error messages count.
            words = ("sh", "-ec", 'exec debugfs -w -f "$1" "$2" 2> "$3"', "sh")
            said = run(*words, script, where, complaints)
            # The first line names the version.
            lines = complaints.read_text(encoding="utf-8").splitlines()[1:]
        if any(line.strip() for line in lines):
            raise RecipeError(f"debugfs: {' '.join(lines)}")
        return said

    def _names(self, folder: str) -> dict[str, int]:
        """Return the modes of the entries of a folder, by name; debugfs follows symbolic links."""
        rows = self.commands(f'ls -p "{folder}"').splitlines()
        # /inode/mode/uid/gid/name/size/
        parts = [row.split("/") for row in rows if row.startswith("/")]
        return {
            row[5]: int(row[2], 8)
            for row in parts
            if len(row) > 5 and row[5] not in (".", "..", "") and row[1] != "0"
        }

    def _make_folders(self, folder: str) -> None:
        path = "/"
        for part in folder.strip("/").split("/"):
            if part and part not in self._names(path):
                self.commands(f'mkdir "{posixpath.join(path, part)}"')
            path = posixpath.join(path, part)
