"""A recipe: what to build, as data. ``images/recipes/NAME/recipe.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from harness.errors import UsageError
from harness.model.table import read_table

RECIPES = Path(__file__).parent / "recipes"

Firmware = Literal["bios", "uefi", "both"]
"""Which firmware can start a disk."""

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
    """Of ``arm64`` the packages are unpacked and not set up, and UEFI starts it."""
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
    """Debian's kernel around an init of ours: boots in seconds."""

    kind: Literal["tiny"]
    suite: str
    kernel: str
    modules: list[str]
    signed: bool = False
    """Shim and GRUB as Debian has had them signed; such a guest starts from UEFI only."""


class TinyInstaller(_Recipe):
    """A disc that stands in for one of Debian's, and installs another recipe's tiny guest."""

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
    """The same as its package has it: a bare file system, which no firmware starts."""

    kind: Literal["alpine-bare"]
    package: str
    version: str
    image: str


class WindowsStandIn(_Recipe):
    """No Windows: an NTFS disk with its bones, whose boot code paints a blue screen."""

    kind: Literal["windows-stand-in"]
    size_mib: Annotated[int, Field(ge=16)]


class Modules(BaseModel):
    """Modules of a kernel that are one package of the installer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modules: Annotated[list[str], Field(min_length=1)]
    provides: list[str] = []
    priority: Literal["standard", "optional"] = "standard"
    """The installer loads by itself what is standard."""


class DebianInstaller(_Recipe):
    """A disc with debian-installer: to install from, or as netboot's where it has no packages."""

    kind: Literal["debian-installer"]
    suite: str
    netboot: str
    """The package with a kernel and an initrd that fetches everything else from the network."""
    packages: list[str] = []
    """Of the system that is installed."""
    udebs: dict[UdebPath, Sha256] = {}
    """Packages of the installer that are on the disc, by their path in the archive."""
    modules: dict[str, Modules] = {}
    """More of them, made of the kernel's package; by their names without a version."""
    initrd_udebs: list[str] = []
    """Those of both kinds that are in the initrd as well."""
    not_in_initrd: list[str] = []
    """Packages of netboot's initrd that the disc's initrd knows nothing of."""

    @model_validator(mode="after")
    def _initrd_udebs_are_known(self) -> Self:
        known = {path.rpartition("/")[2].partition("_")[0] for path in self.udebs}
        unknown = [name for name in self.initrd_udebs if name not in known | set(self.modules)]
        if unknown:
            raise ValueError(f"initrd_udebs: {', '.join(unknown)} is in neither udebs nor modules")
        return self


class DebianInstallerVariant(_Recipe):
    """The disc of another recipe without some modules of its kernel, or without its packages."""

    kind: Literal["debian-installer-variant"]
    base: str
    drop_modules: list[str] = []
    netboot: bool = False
    """The package's initrd as it is, and nothing to install: all that comes from an archive."""

    @model_validator(mode="after")
    def _is_another(self) -> Self:
        if bool(self.drop_modules) == self.netboot:
            raise ValueError("a variant drops modules, or is for the network")
        return self


class DebianArchive(_Recipe):
    """A folder from which the installer of a disc's recipe installs by HTTP."""

    kind: Literal["debian-archive"]
    base: str
    """The disc whose packages of the installer, and of modules of its kernel, are here as well."""
    without_udebs: list[str] = []
    """Those of them that only a disc needs."""
    udebs: dict[UdebPath, Sha256] = {}
    """What the network needs besides."""
    packages: Annotated[list[str], Field(min_length=1)]
    """Of the system; what is required of a system is here in any case, and what these depend on."""
    boot_loaders: Annotated[list[str], Field(min_length=1)]
    """More of them, of which a system can have one only."""


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
    """The table of a recipe, which its ``kind`` tells apart."""


def recipe_names() -> list[str]:
    """Every recipe that there is."""
    return sorted(path.parent.name for path in RECIPES.glob("*/recipe.toml"))


def load_recipe(name: str) -> AnyRecipe:
    """The recipe called ``name``; raises RecipeError that names every fault at once."""
    path = RECIPES / name / "recipe.toml"
    if name not in recipe_names():
        raise RecipeError(f"{name}: no such recipe; there is {', '.join(recipe_names())}.")
    try:
        return read_table(path, _Table).root
    except UsageError as error:
        raise RecipeError(str(error)) from error


def base_of(name: str, recipe: DebianInstallerVariant | DebianArchive) -> DebianInstaller:
    """The recipe that another is made from; raises RecipeError where it is of another kind."""
    base = load_recipe(recipe.base)
    if not isinstance(base, DebianInstaller):
        raise RecipeError(f"{name}: its base {recipe.base} is no disc with debian-installer.")
    return base
