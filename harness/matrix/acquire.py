"""Acquiring the image of an entry: a file, a recipe to build, or a link to its newest file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CaughtError, RecipeFailedError
from harness.evidence.guest_text import printable
from harness.image.digest import sha256_of
from harness.matrix.catalog import CatalogError, PlannedCase
from harness.matrix.child_process import ChildResult, deadline, run_child
from harness.matrix.image_link import resolve
from harness.matrix.progress import PhaseChange, ProgressListener
from harness.matrix.stop import Stop

ACQUIRE_LIMIT_S = 6 * 3600.0
"""The limit for a build or a download: 100 GB, the most that a provider accepts, at 5 MB/s."""


class StoppedError(CaughtError):
    """An attempt that had to stop: it has no result."""


@dataclass(frozen=True, slots=True)
class AcquiredImage:
    """An image as an argument of ``harness verify``.

    ``location`` is a link, or the name of a file in ``folder``: that keeps the names of this host
    out of the evidence. ``options`` are those for a link.
    """

    location: str
    folder: Path
    options: tuple[str, ...] = ()


def acquire(planned: PlannedCase, stop: Stop, tell: ProgressListener) -> AcquiredImage:
    """Build or find the image of an entry; a link is resolved, and downloaded at the boot.

    Raises LinkError if no checksum file names the image, HostError (``host.recipe-failed``) if a
    recipe cannot be built, UsageError, and StoppedError soon after ``stop`` is set.
    """
    entry = planned.entry
    if entry.recipe:
        tell(PhaseChange(entry.name, "building"))
        path = _build(planned, entry.recipe, stop)
        return AcquiredImage(path.name, path.parent)
    if entry.file:
        path = (planned.folder / entry.file).absolute()
        return AcquiredImage(path.name, path.parent)
    url = str(entry.url)
    if entry.is_wild:
        tell(PhaseChange(entry.name, "looking for the newest"))
        url = asyncio.run(resolve(entry)).url
    if entry.sha256:
        return AcquiredImage(url, Path.cwd(), ("--sha256", entry.sha256))
    options = ("--checksums", entry.checksums) if entry.checksums else ()
    return AcquiredImage(url, Path.cwd(), options)


def known_sha256(planned: PlannedCase, image: AcquiredImage) -> str | None:
    """Return the SHA-256 of the image before its boot; None for a link without a checksum."""
    entry = planned.entry
    if not entry.url:
        return sha256_of(image.folder / image.location)
    checksum = asyncio.run(resolve(entry)).checksum
    return checksum.hex if checksum and checksum.algorithm == "sha256" else None


def _build(planned: PlannedCase, name: str, stop: Stop) -> Path:
    """Build the image of a recipe by the command of its catalog; return its path."""
    recipes = planned.recipes
    if recipes is None:
        raise CatalogError(
            f"{planned.entry.name}: its catalog has no command that builds a recipe."
        )
    folder = (planned.folder / recipes.folder).absolute()
    child = run_child([*recipes.command, name], folder, stop, deadline(ACQUIRE_LIMIT_S))
    if child.end == "stopped":
        raise StoppedError
    if child.end == "late":
        hours = ACQUIRE_LIMIT_S / 3600
        raise RecipeFailedError(f"The recipe {name} was not built in {hours:g} hours.")
    lines = child.stdout.strip().splitlines()
    if child.status or not lines:
        reason = last_stderr_line(child)
        raise RecipeFailedError(f"The recipe {name} could not be built: {reason}")
    return (folder / lines[-1]).absolute()


def last_stderr_line(child: ChildResult) -> str:
    """Return the last line of a failed program on stderr, made printable."""
    return printable(child.stderr_lines[-1], 300) if child.stderr_lines else "it said nothing"
