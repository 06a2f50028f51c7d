"""Inspection of the Windows that an installer ISO starts: ``sources/boot.wim``.

wimlib reads only whole files, and the WIM is a part of the ISO: it is copied into a scratch folder
that is removed afterwards. A child process under limits reads it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CaughtError, HostError, NoSpaceError, ReadFailedError
from harness.examine.child import inspect_wim
from harness.host.programs import find_program
from harness.host.scratch import MIN_FREE_BYTES, scratch_folder
from harness.image.iso.iso9660 import IsoEntry
from harness.image.iso.iso_image import IsoFilesystem, find_in_iso, open_filesystems
from harness.image.os.system import WindowsFacts
from harness.image.source import ImageSource, LocalFile

# Those of Microsoft's ISOs take 250 to 800 MB.
MAX_WIM_BYTES = 2 << 30
_CHUNK_BYTES = 4 << 20
_WIM = "sources/boot.wim"
# The places that Setup itself loads drivers from (Microsoft, KB 2686316; Windows Setup, "Add device
# drivers to Windows during Windows Setup").
_DRIVER_FOLDER = "$winpedriver$"
_ANSWERS, _ANSWER, _ANSWERS_BYTES = "autounattend.xml", "PnpCustomizationsWinPE", 1 << 20


@dataclass(frozen=True, slots=True)
class SetupFacts:
    """The facts of the Windows that an ISO starts.

    ``windows`` is None where it could not be read: ``problem`` says why, ``remedy`` what would
    help. ``driver_sources`` are the other places from which Setup loads drivers.
    """

    windows: WindowsFacts | None = None
    driver_sources: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""
    bytes_read: int = 0


class _UnreadableWimError(CaughtError):
    """An unreadable boot.wim. ``str()`` says why."""


def inspect_setup(path: Path) -> SetupFacts:
    """Inspect the ``boot.wim`` on the ISO at ``path``. Never raises for the ISO's content.

    Copies up to 2 GiB into the scratch folder. Raises UsageError where ``path`` is not a file,
    HostError where this host cannot read it.
    """
    with LocalFile(path) as source:
        try:
            find_program("wimlib-imagex")
            trees = open_filesystems(source)
            driver_sources = tuple(_driver_sources(trees))
            wim = _boot_wim(trees)
            with scratch_folder() as folder:
                _copy(wim, folder / "boot.wim")
                found = inspect_wim(folder / "boot.wim")
        except _UnreadableWimError as error:
            return SetupFacts(problem=str(error), bytes_read=source.bytes_read)
        except ReadFailedError:
            raise
        except HostError as error:
            problem = str(error).rstrip(".")
            return SetupFacts(problem=problem, remedy=error.remedy, bytes_read=source.bytes_read)
        windows, problem = found.windows, found.problem
        if windows and windows.fault:
            problem = f"{windows.volume}: {windows.fault}"
        return SetupFacts(
            None if problem else windows, driver_sources, problem, bytes_read=source.bytes_read
        )


def _boot_wim(trees: list[IsoFilesystem]) -> ImageSource:
    """Return boot.wim; raises _UnreadableWimError where it is missing, cut off or too large."""
    found = _find(trees, _WIM)
    if found is None:
        raise _UnreadableWimError(f"there is no {_WIM} on the disc")
    tree, entry = found
    content, size_bytes = tree.content(entry), tree.size_bytes(entry)
    if size_bytes > MAX_WIM_BYTES:
        raise _UnreadableWimError(f"its boot.wim takes {size_bytes} bytes, more than is looked at")
    if not size_bytes or content.size_bytes < size_bytes:
        raise _UnreadableWimError(
            f"of the {size_bytes} bytes of its boot.wim, {content.size_bytes} could be found"
        )
    return content


def _find(trees: list[IsoFilesystem], path: str) -> tuple[IsoFilesystem, IsoEntry] | None:
    """Return the entry at ``path``, in any letter case, and its filesystem."""
    return next(((tree, entry) for tree in trees for entry in find_in_iso(tree, path)), None)


def _driver_sources(trees: list[IsoFilesystem]) -> list[str]:
    """Return the places besides boot.wim from which Setup loads drivers."""
    sources = []
    if found := _find(trees, _DRIVER_FOLDER):
        sources.append(f"the folder {found[1].name}")
    if found := _find(trees, _ANSWERS):
        tree, entry = found
        text = tree.content(entry).read_at(0, _ANSWERS_BYTES).replace(b"\0", b"")  # UTF-16, too
        if _ANSWER.encode() in text:
            sources.append(f"{_ANSWER} in {entry.name}")
    return sources


def _copy(source: ImageSource, target: Path) -> None:
    """Write ``source`` to ``target``; raises HostError (``host.no-space``) without room for it."""
    free_bytes = shutil.disk_usage(target.parent).free
    # The rest must be enough for a run at the same time.
    if free_bytes < source.size_bytes + MIN_FREE_BYTES:
        raise NoSpaceError(
            f"{target.parent.parent}: {free_bytes >> 20} MiB are free, a copy of boot.wim takes "
            f"{source.size_bytes >> 20} MiB.",
            "Free some space, or set TMPDIR to a folder on a larger disk.",
        )
    try:
        with target.open("wb") as file:
            for offset in range(0, source.size_bytes, _CHUNK_BYTES):
                file.write(source.read_at(offset, _CHUNK_BYTES))
    except OSError as error:
        raise NoSpaceError(
            f"{target.parent.parent}: boot.wim cannot be copied there: {error.strerror}.",
            "Free some space, or set TMPDIR to a folder on a larger disk.",
        ) from error
