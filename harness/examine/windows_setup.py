r"""Looking inside the Windows that an installation disc starts: ``sources/boot.wim``.

wimlib reads a file, and the WIM is a part of another one: it is copied out, whole, into a folder
that is gone afterwards. Whoever reads it does so in a child under limits.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CaughtError, HostError, NoSpaceError, ReadFailedError
from harness.examine.child import inspect_wim
from harness.host.programs import find_program
from harness.host.scratch import MIN_FREE_BYTES, scratch_folder
from harness.image.iso.iso import Files, find_in_iso, open_files
from harness.image.iso.iso9660 import IsoEntry
from harness.image.os.system import WindowsFacts
from harness.image.source import ImageSource, LocalFile

# Those of Microsoft's discs take 250 to 800 MB.
MAX_WIM_BYTES = 2 << 30
_CHUNK_BYTES = 4 << 20
_WIM = "sources/boot.wim"
# What Setup itself loads drivers from (Microsoft, KB 2686316; Windows Setup, "Add device drivers
# to Windows during Windows Setup").
_DRIVER_FOLDER = "$winpedriver$"
_ANSWERS, _ANSWER, _ANSWERS_BYTES = "autounattend.xml", "PnpCustomizationsWinPE", 1 << 20


@dataclass(frozen=True, slots=True)
class SetupFacts:
    """What is known of the Windows that a disc starts.

    ``windows`` is None where it could not be looked at: ``problem`` says why, ``remedy`` what would
    help. ``brings`` are the places besides it from which Setup loads drivers.
    """

    windows: WindowsFacts | None = None
    brings: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""
    bytes_read: int = 0


class _UnreadError(CaughtError):
    """boot.wim cannot be had. ``str()`` says why."""


def inspect_setup(path: Path) -> SetupFacts:
    """Look at the ``boot.wim`` on the disc at ``path``. Never raises for the disc's content.

    Copies up to 2 GiB into the scratch folder. Raises UsageError for what is no file, HostError
    where this host cannot read it.
    """
    with LocalFile(path) as source:
        try:
            find_program("wimlib-imagex")
            trees = open_files(source)
            brings = tuple(_brought(trees))
            wim = _boot_wim(trees)
            with scratch_folder() as folder:
                _copy(wim, folder / "boot.wim")
                found = inspect_wim(folder / "boot.wim")
        except _UnreadError as error:
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
            None if problem else windows, brings, problem, bytes_read=source.bytes_read
        )


def _boot_wim(trees: list[Files]) -> ImageSource:
    """boot.wim on the disc; raises _UnreadError where it is not there as a whole, or too large."""
    found = _find(trees, _WIM)
    if found is None:
        raise _UnreadError(f"there is no {_WIM} on the disc")
    tree, entry = found
    content, size_bytes = tree.content(entry), tree.size_bytes(entry)
    if size_bytes > MAX_WIM_BYTES:
        raise _UnreadError(f"its boot.wim takes {size_bytes} bytes, more than is looked at")
    if not size_bytes or content.size_bytes < size_bytes:
        raise _UnreadError(
            f"of the {size_bytes} bytes of its boot.wim, {content.size_bytes} could be found"
        )
    return content


def _find(trees: list[Files], path: str) -> tuple[Files, IsoEntry] | None:
    """The entry at ``path``, in any case, and the file system that it is in."""
    return next(((tree, entry) for tree in trees for entry in find_in_iso(tree, path)), None)


def _brought(trees: list[Files]) -> list[str]:
    brings = []
    if found := _find(trees, _DRIVER_FOLDER):
        brings.append(f"the folder {found[1].name}")
    if found := _find(trees, _ANSWERS):
        tree, entry = found
        text = tree.content(entry).read_at(0, _ANSWERS_BYTES).replace(b"\0", b"")  # UTF-16, too
        if _ANSWER.encode() in text:
            brings.append(f"{_ANSWER} in {entry.name}")
    return brings


def _copy(source: ImageSource, target: Path) -> None:
    """Write ``source`` to ``target``; raises HostError (``host.no-space``) without room for it."""
    free_bytes = shutil.disk_usage(target.parent).free
    # What is left must do for a run at the same time.
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
