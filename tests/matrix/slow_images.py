"""Images of a catalog whose recipe takes until a test lets it end, and files that are no image."""

from __future__ import annotations

import re
from pathlib import Path

from harness.matrix.catalog import CatalogEntry, Expectation, PlannedCase, Recipes

SLOW = Path(__file__).with_name("slow_recipe.py")
NO_IMAGE = Expectation(outcome="fail", cause="format.unsupported")


def plan(images: Path, entry: CatalogEntry) -> PlannedCase:
    recipes = Recipes(command=("python", str(SLOW), str(images)))
    return PlannedCase(entry, "test.toml", images, recipes)


def no_image(images: Path, name: str) -> PlannedCase:
    (images / f"{name}.img").write_bytes(b"KDMV" + bytes(4096))
    entry = CatalogEntry(name=name, file=f"{name}.img", expected=NO_IMAGE, why="it is a VMDK")
    return plan(images, entry)


def slow(images: Path, name: str) -> PlannedCase:
    """An image that takes until ``images/NAME.go`` is there."""
    (images / f"{name}.img").write_bytes(b"KDMV" + bytes(4096))
    return plan(images, CatalogEntry(name=name, recipe=name, expected=NO_IMAGE, why="it is a VMDK"))


def begun(images: Path, name: str = "*") -> dict[int, str]:
    """Process and name of each recipe that was begun."""
    found = (re.fullmatch(r"(.+)\.(\d+)\.began", path.name) for path in images.glob(f"{name}.*"))
    return {int(match[2]): match[1] for match in found if match}
