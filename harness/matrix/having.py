"""Having the image of an entry: a file, a recipe to build, a link whose newest file is known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CaughtError, RecipeFailedError
from harness.evidence.guest_text import printable
from harness.image.digest import sha256_of
from harness.matrix.catalog import CatalogError, Planned
from harness.matrix.child import Child, deadline, run_child
from harness.matrix.progress import Moved, Teller
from harness.matrix.source import resolve
from harness.matrix.stop import Stop

HAVING_S = 6 * 3600.0
"""How long an image may take before its boot: 100 GB, the most that a provider takes, at 5 MB/s."""


class StoppedError(CaughtError):
    """The attempt was told to stop: nothing came of it."""


@dataclass(frozen=True, slots=True)
class Had:
    """An image that ``harness verify`` can be told of.

    ``location`` is a link, or the name of a file in ``folder``: that keeps the names of this host
    out of the evidence. ``options`` go with a link.
    """

    location: str
    folder: Path
    options: tuple[str, ...] = ()


def have(planned: Planned, stop: Stop, tell: Teller) -> Had:
    """The image of an entry on this host, built where it is a recipe; of a link, where it is.

    A download is left to whoever boots it. Raises LinkError where no checksum file names the
    image, HostError (``host.recipe-failed``) where a recipe cannot be built, UsageError, and
    StoppedError soon after ``stop`` is set.
    """
    entry = planned.entry
    if entry.recipe:
        tell(Moved(entry.name, "building"))
        path = _build(planned, entry.recipe, stop)
        return Had(path.name, path.parent)
    if entry.file:
        path = (planned.folder / entry.file).absolute()
        return Had(path.name, path.parent)
    url = str(entry.url)
    if entry.is_wild:
        tell(Moved(entry.name, "looking for the newest"))
        url = asyncio.run(resolve(entry)).url
    if entry.sha256:
        return Had(url, Path.cwd(), ("--sha256", entry.sha256))
    options = ("--checksums", entry.checksums) if entry.checksums else ()
    return Had(url, Path.cwd(), options)


def sha256_before(planned: Planned, had: Had) -> str | None:
    """The digest of the image before it is booted; of a link, None where nobody says it."""
    entry = planned.entry
    if not entry.url:
        return sha256_of(had.folder / had.location)
    checksum = asyncio.run(resolve(entry)).checksum
    return checksum.hex if checksum and checksum.algorithm == "sha256" else None


def _build(planned: Planned, name: str, stop: Stop) -> Path:
    """The image of a recipe, built by the command of its catalog."""
    recipes = planned.recipes
    if recipes is None:
        raise CatalogError(
            f"{planned.entry.name}: its catalog has no command that builds a recipe."
        )
    folder = (planned.folder / recipes.folder).absolute()
    child = run_child([*recipes.command, name], folder, stop, deadline(HAVING_S))
    if child.end == "stopped":
        raise StoppedError
    if child.end == "late":
        hours = HAVING_S / 3600
        raise RecipeFailedError(f"The recipe {name} was not built in {hours:g} hours.")
    lines = child.stdout.strip().splitlines()
    if child.status or not lines:
        said = what_it_said(child)
        raise RecipeFailedError(f"The recipe {name} could not be built: {said}")
    return (folder / lines[-1]).absolute()


def what_it_said(child: Child) -> str:
    """The last line of a program that failed, made printable."""
    return printable(child.last_words[-1], 300) if child.last_words else "it said nothing"
