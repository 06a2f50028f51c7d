"""An entry of the gallery, as data: ``images/gallery/NAME.toml``.

It names a base, the steps that break it, and what is to be expected. A path in a step may hold the
wildcards of fnmatch, as the version of a kernel is not known beforehand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import UsageError
from harness.matrix.catalog import Expectation
from harness.model.hardware import Firmware
from harness.model.table import read_table
from images.recipe import RecipeError

GALLERY = Path(__file__).parent


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _FileStep(_Model):
    """A step inside an ext4: the number of its partition, and a path in it."""

    partition: Annotated[int, Field(ge=1)] = 2
    path: Annotated[str, Field(pattern=r"^/")]


class Remove(_FileStep):
    """Remove every file that ``path`` matches."""

    do: Literal["remove"]


class Write(_FileStep):
    """Write a text file, instead of the one that may be there; its folders are made."""

    do: Literal["write"]
    text: str
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")] = "0644"


class Replace(_FileStep):
    """Replace every match of a regular expression in a text file; there must be one."""

    do: Literal["replace"]
    pattern: str
    by: str


class Link(_FileStep):
    """Make a symbolic link, instead of what may be there."""

    do: Literal["link"]
    target: str


class Damage(_FileStep):
    """Overwrite a piece of a file with a byte: ``size_bytes`` of them from ``at_byte``."""

    do: Literal["damage"]
    at_byte: Annotated[int, Field(ge=0)]
    size_bytes: Annotated[int, Field(ge=1)]
    value: Annotated[int, Field(ge=0, le=255)] = 0xAA


class DropModules(_FileStep):
    """Take kernel modules out of the initramfs at ``path``; each must be in it."""

    do: Literal["drop-modules"]
    modules: Annotated[list[str], Field(min_length=1)]


class FillUp(_FileStep):
    """Fill the file system to its last block with a file at ``path``."""

    do: Literal["fill-up"]


class Debugfs(_Model):
    """Commands of debugfs(8) for what no other step says."""

    do: Literal["debugfs"]
    partition: Annotated[int, Field(ge=1)] = 2
    commands: Annotated[list[str], Field(min_length=1)]


class Kernel(_FileStep):
    """Put the kernel of another package in the place of the one at ``path``."""

    do: Literal["kernel"]
    suite: str
    package: str
    architecture: str


class MoveOnEsp(_Model):
    """Move a file of a FAT file system to another folder of it, which is made."""

    do: Literal["move-on-esp"]
    partition: Annotated[int, Field(ge=1)] = 2
    path: Annotated[str, Field(pattern=r"^/")]
    to: Annotated[str, Field(pattern=r"^/.+/")]


class Clear(_Model):
    """Write zeros over a piece of the disk."""

    do: Literal["clear"]
    at_byte: Annotated[int, Field(ge=0)]
    size_bytes: Annotated[int, Field(ge=1)]


class GrubCore(_Model):
    """Write another core image of GRUB: with these modules only, looking in ``prefix``."""

    do: Literal["grub-core"]
    modules: Annotated[list[str], Field(min_length=1)]
    prefix: str


Step = Annotated[
    Remove
    | Write
    | Replace
    | Link
    | Damage
    | DropModules
    | FillUp
    | Debugfs
    | Kernel
    | MoveOnEsp
    | Clear
    | GrubCore,
    Field(discriminator="do"),
]


class Entry(_Model):
    """One broken image. ``base`` is a recipe, ``cmdline`` is for the base ``tiny`` only.

    ``provider`` is the one whose machine it is tried in. ``firmware`` is that of the machine, the
    provider's where it is None; ``why`` is why the expectation is right.
    """

    description: Annotated[str, Field(min_length=1)]
    base: str
    cmdline: str = ""
    provider: str = "contabo"
    firmware: Firmware | None = None
    why: Annotated[str, Field(min_length=1)]
    steps: list[Step] = []
    expected: Expectation

    @property
    def options(self) -> list[str]:
        """The options of ``harness`` that name its machine."""
        firmware = ["--firmware", self.firmware] if self.firmware else []
        return ["--provider", self.provider, *firmware]


def entry_names() -> list[str]:
    """Every entry that there is."""
    return sorted(path.stem for path in GALLERY.glob("*.toml"))


def load_entry(name: str) -> Entry:
    """The entry called ``name``; raises RecipeError that names every fault at once."""
    if name not in entry_names():
        raise RecipeError(f"{name}: no such entry; there is {', '.join(entry_names())}.")
    path = GALLERY / f"{name}.toml"
    try:
        return read_table(path, Entry)
    except UsageError as error:
        raise RecipeError(str(error)) from error


def parse_entry(table: dict[str, Any]) -> Entry:
    """The entry that a TOML table says; raises ValidationError for a wrong one."""
    return Entry.model_validate(table)
