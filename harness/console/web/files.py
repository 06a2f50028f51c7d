"""The files of the page, read once, so that no request names a path."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from harness.errors import UsageError

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_BUNDLE = ("xterm.js", "xterm.css", "novnc.js", "LICENSES.txt")


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file that a browser may load."""

    body: bytes
    content_type: str


def page_files() -> dict[str, PageFile]:
    """Return the files by name below ``/static/``. Raises UsageError if the bundle is not built."""
    folder = resources.files(__package__) / "static"
    bundle = folder / "bundle"
    if not all((bundle / name).is_file() for name in _BUNDLE):
        raise UsageError("The page of the console is not built here: run make setup.")
    return {
        **{entry.name: _file(entry) for entry in folder.iterdir() if entry.is_file()},
        **{f"bundle/{name}": _file(bundle / name) for name in _BUNDLE},
    }


def _file(entry: Traversable) -> PageFile:
    suffix = entry.name[entry.name.rindex(".") :]
    return PageFile(entry.read_bytes(), _TYPES[suffix])
