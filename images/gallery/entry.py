"""An entry of the gallery, as data: ``images/gallery/NAME.toml``.

It names a base, the steps that break it, and the expected result. A path in a step may have fnmatch
wildcards, since the version of a kernel is not known in advance.
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


class RemoveStep(_FileStep):
    """Remove every file that ``path`` matches."""

    do: Literal["remove"]


class WriteStep(_FileStep):
    """Write a text file, replacing an existing one; missing folders are made."""

    do: Literal["write"]
    text: str
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")] = "0644"


class ReplaceStep(_FileStep):
    """Replace every match of a regular expression in a text file; there must be one."""

    do: Literal["replace"]
    pattern: str
    by: str


class LinkStep(_FileStep):
    """Make a symbolic link, replacing an existing file."""

    do: Literal["link"]
    target: str


class DamageStep(_FileStep):
    """Overwrite a piece of a file with a byte: ``size_bytes`` of them from ``at_byte``."""

    do: Literal["damage"]
    at_byte: Annotated[int, Field(ge=0)]
    size_bytes: Annotated[int, Field(ge=1)]
    value: Annotated[int, Field(ge=0, le=255)] = 0xAA


class DropModulesStep(_FileStep):
    """Remove kernel modules from the initramfs at ``path``; each must be in it."""

    do: Literal["drop-modules"]
    modules: Annotated[list[str], Field(min_length=1)]


class FillUpStep(_FileStep):
    """Fill the file system to its last block with a file at ``path``."""

    do: Literal["fill-up"]


class DebugfsStep(_Model):
    """Commands of debugfs(8) for what no other step says."""

    do: Literal["debugfs"]
    partition: Annotated[int, Field(ge=1)] = 2
    commands: Annotated[list[str], Field(min_length=1)]


class KernelStep(_FileStep):
    """Replace the kernel at ``path`` with that of another package."""

    do: Literal["kernel"]
    suite: str
    package: str
    architecture: str


class MoveOnEspStep(_Model):
    """Move a file of a FAT file system to another folder of it, which is made."""

    do: Literal["move-on-esp"]
    partition: Annotated[int, Field(ge=1)] = 2
    path: Annotated[str, Field(pattern=r"^/")]
    to: Annotated[str, Field(pattern=r"^/.+/")]


class ClearStep(_Model):
    """Write zeros over a piece of the disk."""

    do: Literal["clear"]
    at_byte: Annotated[int, Field(ge=0)]
    size_bytes: Annotated[int, Field(ge=1)]


class GrubCoreStep(_Model):
    """Write another core image of GRUB: with these modules only, looking in ``prefix``."""

    do: Literal["grub-core"]
    modules: Annotated[list[str], Field(min_length=1)]
    prefix: str


Step = Annotated[
    RemoveStep
    | WriteStep
    | ReplaceStep
    | LinkStep
    | DamageStep
    | DropModulesStep
    | FillUpStep
    | DebugfsStep
    | KernelStep
    | MoveOnEspStep
    | ClearStep
    | GrubCoreStep,
    Field(discriminator="do"),
]


class Entry(_Model):
    """One broken image. ``base`` is a recipe, ``cmdline`` is for the base ``tiny`` only.

    It is tried in the machine of ``provider``, with its firmware if ``firmware`` is None; ``why``
    is the reason for the expectation.
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
    """Return the names of all entries."""
    return sorted(path.stem for path in GALLERY.glob("*.toml"))


def load_entry(name: str) -> Entry:
    """Return the entry called ``name``; raises RecipeError that names every fault at once."""
    if name not in entry_names():
        raise RecipeError(f"{name}: no such entry; there is {', '.join(entry_names())}.")
    path = GALLERY / f"{name}.toml"
    try:
        return read_table(path, Entry)
    except UsageError as error:
        raise RecipeError(str(error)) from error


def parse_entry(table: dict[str, Any]) -> Entry:
    """Return the entry in a TOML table; raises ValidationError for an invalid one."""
    return Entry.model_validate(table)
