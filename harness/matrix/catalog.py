"""A catalog: the images to try and the right result of each. A TOML file, or a folder of them.

Every fault of every file is named at once, so a catalog is fixed in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import UsageError, validation_faults
from harness.matrix.verify_option import VerifyOption
from harness.model.finding import finding_catalog as known_findings
from harness.model.hardware import Firmware
from harness.model.stages import Stage
from harness.model.table import read_table
from harness.net.link import name_in_url
from harness.provider.profile import load_profile

DEADLINE_S = 3600.0
"""The default limit of an attempt in seconds: for its boots, without the download."""


class CatalogError(UsageError):
    """Catalogs that are not valid. ``str()`` has a line for each fault."""


class _CatalogModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expectation(_CatalogModel):
    """The right result. ``cause`` is None for a pass; ``predicted`` None allows any prediction.

    ``stages`` names more than one where the moment of the end decides between them; an empty one
    allows any stage.
    """

    outcome: Literal["pass", "fail", "inconclusive"] = "pass"
    stages: tuple[Stage, ...] = ()
    cause: str | None = None
    predicted: bool | None = None

    @model_validator(mode="after")
    def _cause_goes_with_a_fail(self) -> Self:
        if (self.cause is not None) != (self.outcome == "fail"):
            raise ValueError("a fail has a cause, and nothing else has one")
        if self.cause and self.cause not in known_findings():
            raise ValueError(f"{self.cause} is no finding: harness explain lists them")
        return self


class Recipes(_CatalogModel):
    """The command of a catalog's author that builds its recipes.

    The name of a recipe is added to ``command``; the last line that it prints is the path of the
    image. "python" is the Python that harness runs in. ``folder`` is the working directory,
    relative to the folder of the catalog.
    """

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    folder: str = "."


class CatalogEntry(_CatalogModel):
    """One image. Exactly one of ``url``, ``file`` and ``recipe`` says where it comes from.

    The last part of the path of ``url`` may hold wildcards (``*``) where ``checksums`` is given,
    which then names the newest file. ``checksums`` is a link, or a name beside the image.
    ``deadline_s`` limits an attempt with its second boot; ``why`` is the reason why another result
    than a pass is right.

    The option of ``harness verify`` for a field is declared with it; every field is part of the
    reuse key of its result, except those that :mod:`harness.matrix.reuse` names.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._+-]{0,79}$")]
    description: str = ""
    url: str | None = None
    checksums: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    file: str | None = None
    recipe: str | None = None
    provider: Annotated[str, VerifyOption("--provider")] = "contabo"
    firmware: Annotated[Firmware | None, VerifyOption("--firmware")] = None
    until: Annotated[Literal["network", "seed", "ready"], VerifyOption("--until")] = "network"
    install: Annotated[bool, VerifyOption("--install")] = False
    strict: Annotated[bool, VerifyOption("--strict")] = False
    silence_s: Annotated[float | None, Field(ge=1), VerifyOption("--silence")] = None
    deadline_s: Annotated[float, Field(ge=1)] = DEADLINE_S
    tags: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")], ...] = ()
    expected: Expectation = Expectation()
    why: str = ""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        sources = [self.url, self.file, self.recipe]
        if len(sources) - sources.count(None) != 1:
            raise ValueError("name one of url, file and recipe")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url: {self.url!r} does not begin with http:// or https://")
        if (self.checksums or self.sha256) and not self.url:
            raise ValueError("checksums and sha256 are for a url")
        if self.is_wild and not self.checksums:
            raise ValueError("url: a wildcard needs checksums, which name the files")
        return self

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.expected.outcome != "pass" and not self.why:
            raise ValueError("why: something else than a pass is expected: say why")
        try:
            load_profile(self.provider)
        except UsageError as error:
            raise ValueError(f"provider: {error}") from error
        return self

    @property
    def is_wild(self) -> bool:
        """True if the name of the file must be looked up in the checksum file."""
        # No "?", which begins the query of a link.
        return bool(self.url and "*" in name_in_url(self.url))

    @property
    def source(self) -> str:
        """The source of the image, for a person."""
        return self.url or self.file or f"recipe {self.recipe}"


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """An entry with the settings of its catalog. ``folder`` is that of the catalog."""

    entry: CatalogEntry
    catalog: str
    folder: Path
    recipes: Recipes | None


class _CatalogFile(_CatalogModel):
    recipes: Recipes | None = None
    defaults: dict[str, Any] = {}
    image: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]


def load_catalogs(paths: Iterable[Path]) -> tuple[PlannedCase, ...]:
    """Return every entry of the catalogs at ``paths``, in their order.

    A folder stands for its ``*.toml``, or, where it has none, for those of its folder ``catalog``.
    Raises CatalogError that names every fault of every file at once.
    """
    faults: list[str] = []
    planned: list[PlannedCase] = []
    for path in paths:
        for file in _files_at(path, faults):
            planned += _read(file, faults)
    known = list(planned)
    counts = Counter(row.entry.name for row in known)
    faults += [
        f"{name}: {count} images have this name" for name, count in counts.items() if count > 1
    ]
    if faults:
        raise CatalogError("\n".join([f"the catalog has {_count(faults)}:", *faults]))
    return tuple(planned)


def _count(faults: list[str]) -> str:
    return "a fault" if len(faults) == 1 else f"{len(faults)} faults"


def _files_at(path: Path, faults: list[str]) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.toml")) or sorted((path / "catalog").glob("*.toml"))
    if not found:
        faults.append(f"{path}: no catalog (*.toml) is in this folder")
    return found


def _read(path: Path, faults: list[str]) -> Iterator[PlannedCase]:
    """Yield the valid entries of one file; the faults of the others are added to ``faults``."""
    try:
        catalog = read_table(path, _CatalogFile)
    except UsageError as error:
        faults.append(str(error).removesuffix("."))
        return
    for number, row in enumerate(catalog.image, start=1):
        name = row.get("name") or f"image {number}"
        try:
            entry = CatalogEntry.model_validate(
                {**catalog.defaults, **row, **_all_tags(catalog, row)}
            )
        except ValidationError as error:
            faults.append(f"{path}: {name}: {validation_faults(error)}")
            continue
        if entry.recipe and not catalog.recipes:
            faults.append(f"{path}: {name}: recipe: the catalog has no [recipes] to build it with")
        yield PlannedCase(entry, path.name, path.parent, catalog.recipes)


def _all_tags(catalog: _CatalogFile, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tags of the file with those of the entry."""
    both = [catalog.defaults.get("tags", []), row.get("tags", [])]
    if not all(isinstance(tags, list) for tags in both):
        return {}
    return {"tags": list(dict.fromkeys(tag for tags in both for tag in tags))}
