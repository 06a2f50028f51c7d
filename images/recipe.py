"""A recipe: what to build, as data. ``images/recipes/NAME/recipe.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from harness.errors import UsageError
from harness.model.table import read_table

RECIPES = Path(__file__).parent / "recipes"

Firmware = Literal["bios", "uefi", "both"]
"""The firmware that can start a disk."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
UdebPath = Annotated[str, Field(pattern=r"^pool/.+\.udeb$")]


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
    """For ``arm64`` the packages are unpacked but not set up, and UEFI starts the disk."""
    encrypted: bool = False
    """LUKS around the root file system, and a partition of its own for /boot."""
    signed: bool = False
    """Shim and GRUB as Debian has had them signed, for Secure Boot."""

    @model_validator(mode="after")
    def _is_signed_for_uefi(self) -> Self:
        if self.signed and (self.firmware, self.architecture) != ("uefi", "amd64"):
            raise ValueError("signed: only for firmware uefi and amd64")
        return self


class Tiny(_Recipe):
    """A guest of Debian's kernel and the project's own init, which boots in seconds."""

    kind: Literal["tiny"]
    suite: str
    kernel: str
    modules: list[str]
    signed: bool = False
    """Shim and GRUB as Debian has had them signed; such a guest starts from UEFI only."""


class TinyInstaller(_Recipe):
    """An ISO that stands in for one of Debian's, and installs another recipe's tiny guest."""

    kind: Literal["tiny-installer"]
    base: str
    drop_modules: list[str] = []
    """Modules that its kernel does without."""


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
    """The unchanged Alpine of the package: a bare file system, which no firmware starts."""

    kind: Literal["alpine-bare"]
    package: str
    version: str
    image: str


class WindowsStandIn(_Recipe):
    """A stand-in for Windows: NTFS with its typical files; its boot code draws a blue screen."""

    kind: Literal["windows-stand-in"]
    size_mib: Annotated[int, Field(ge=16)]


class Modules(BaseModel):
    """The kernel modules of one installer package."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modules: Annotated[list[str], Field(min_length=1)]
    provides: list[str] = []
    priority: Literal["standard", "optional"] = "standard"
    """The installer loads by itself what is standard."""


class DebianInstaller(_Recipe):
    """An ISO with debian-installer: complete, or like netboot's if it has no packages."""

    kind: Literal["debian-installer"]
    suite: str
    netboot: str
    """The package with a kernel and an initrd that fetches everything else from the network."""
    packages: list[str] = []
    """The packages of the installed system."""
    udebs: dict[UdebPath, Sha256] = {}
    """Installer packages on the ISO: path in the archive and SHA-256."""
    modules: dict[str, Modules] = {}
    """Module packages, made from the kernel package; by name without version."""
    initrd_udebs: list[str] = []
    """The packages of both kinds that are also in the initrd."""
    not_in_initrd: list[str] = []
    """Packages of netboot's initrd that are removed for the ISO."""

    @model_validator(mode="after")
    def _initrd_udebs_are_known(self) -> Self:
        known = {path.rpartition("/")[2].partition("_")[0] for path in self.udebs}
        unknown = [name for name in self.initrd_udebs if name not in known | set(self.modules)]
        if unknown:
            raise ValueError(f"initrd_udebs: {', '.join(unknown)} is in neither udebs nor modules")
        return self


class DebianInstallerVariant(_Recipe):
    """The ISO of another recipe without some kernel modules, or without its packages."""

    kind: Literal["debian-installer-variant"]
    base: str
    drop_modules: list[str] = []
    netboot: bool = False
    """True for the unchanged initrd of the package: everything else comes from an archive."""

    @model_validator(mode="after")
    def _is_another(self) -> Self:
        if bool(self.drop_modules) == self.netboot:
            raise ValueError("a variant drops modules, or is for the network")
        return self


class DebianArchive(_Recipe):
    """A folder from which the installer of an ISO recipe installs by HTTP."""

    kind: Literal["debian-archive"]
    base: str
    """The ISO recipe whose installer and module packages are included."""
    without_udebs: list[str] = []
    """Packages of that ISO that only an ISO needs."""
    udebs: dict[UdebPath, Sha256] = {}
    """Further packages that an installation by network needs."""
    packages: Annotated[list[str], Field(min_length=1)]
    """Packages of the system, besides the required ones and all dependencies."""
    boot_loaders: Annotated[list[str], Field(min_length=1)]
    """Further packages that exclude each other on a system."""


AnyRecipe = (
    Debian
    | Tiny
    | TinyInstaller
    | Alpine
    | AlpineBare
    | WindowsStandIn
    | DebianInstaller
    | DebianInstallerVariant
    | DebianArchive
)


class _Table(RootModel[Annotated[AnyRecipe, Field(discriminator="kind")]]):
    """The table of a recipe, discriminated by its ``kind``."""


def recipe_names() -> list[str]:
    """Return the names of all recipes."""
    return sorted(path.parent.name for path in RECIPES.glob("*/recipe.toml"))


def load_recipe(name: str) -> AnyRecipe:
    """Return the recipe called ``name``; raises RecipeError that names every fault at once."""
    path = RECIPES / name / "recipe.toml"
    if name not in recipe_names():
        raise RecipeError(f"{name}: no such recipe; there is {', '.join(recipe_names())}.")
    try:
        return read_table(path, _Table).root
    except UsageError as error:
        raise RecipeError(str(error)) from error


def base_of(name: str, recipe: DebianInstallerVariant | DebianArchive) -> DebianInstaller:
    """Return the base of a recipe; raises RecipeError if it is of another kind."""
    base = load_recipe(recipe.base)
    if not isinstance(base, DebianInstaller):
        raise RecipeError(f"{name}: its base {recipe.base} is no disc with debian-installer.")
    return base
