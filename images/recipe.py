"""A recipe: what to build, as data. ``images/recipes/NAME/recipe.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import faults_in_words

RECIPES = Path(__file__).parent / "recipes"

Firmware = Literal["bios", "uefi", "both"]
"""Which firmware can start a disk."""


class RecipeError(Exception):
    """A recipe cannot be built. ``str()`` is one sentence that says why."""


class _Recipe(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Field(min_length=1)


class Debian(_Recipe):
    """A Debian cloud image, assembled from packages."""

    kind: Literal["debian"]
    suite: str
    size_mib: Annotated[int, Field(ge=512)]
    packages: list[str]
    firmware: Firmware = "bios"
    mask: list[str] = []
    """Units that would only cost time at boot."""
    files: dict[str, str] = {}
    """Text files that are there before the packages are set up, by absolute path."""
    architecture: Literal["amd64", "arm64"] = "amd64"
    """Of ``arm64`` the packages are unpacked and not set up, and UEFI starts it."""
    encrypted: bool = False
    """LUKS around the root file system, and a partition of its own for /boot."""


class Tiny(_Recipe):
    """Debian's kernel around an init of ours: boots in seconds."""

    kind: Literal["tiny"]
    suite: str
    kernel: str
    modules: list[str]


class Alpine(_Recipe):
    """The Alpine of a PyPI package, which has no boot loader, with one written before it."""

    kind: Literal["alpine"]
    package: str
    version: str
    image: str
    kernel: str
    initrd: str
    cmdline: str


class AlpineBare(_Recipe):
    """The same as its package has it: a bare file system, which no firmware starts."""

    kind: Literal["alpine-bare"]
    package: str
    version: str
    image: str


class WindowsStandIn(_Recipe):
    """No Windows: an NTFS disk with its bones, whose boot code paints a blue screen."""

    kind: Literal["windows-stand-in"]
    size_mib: Annotated[int, Field(ge=16)]


Recipe = Annotated[
    Debian | Tiny | Alpine | AlpineBare | WindowsStandIn, Field(discriminator="kind")
]


def recipe_names() -> list[str]:
    """Every recipe that there is."""
    return sorted(path.parent.name for path in RECIPES.glob("*/recipe.toml"))


def load_recipe(name: str) -> Debian | Tiny | Alpine | AlpineBare | WindowsStandIn:
    """The recipe called ``name``; raises RecipeError that names every fault at once."""
    path = RECIPES / name / "recipe.toml"
    if name not in recipe_names():
        raise RecipeError(f"{name}: no such recipe; there is {', '.join(recipe_names())}.")
    try:
        return TypeAdapter(Recipe).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not TOML: {error}.") from error
    except ValidationError as error:
        raise RecipeError(f"{path}: {faults_in_words(error)}.") from error
