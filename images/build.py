"""Build an image: ``python -m images.build NAME`` prints the path of a qcow2 or an ISO.

Built images are cached in ``$XDG_CACHE_HOME/harness/recipes`` under a digest of all inputs. A lock
prevents parallel builds of the same image.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from harness.host import folders
from images.alpine import build_alpine, build_alpine_bare
from images.archive import build_archive, debs_key, fetch_debs
from images.debian import build_debian
from images.installer import (
    Parts,
    build_iso,
    build_root,
    fetch_parts,
    for_the_network,
    parts_key,
    root_key,
)
from images.recipe import (
    RECIPES,
    Alpine,
    AlpineBare,
    Debian,
    DebianArchive,
    DebianInstaller,
    DebianInstallerVariant,
    Firmware,
    RecipeError,
    Tiny,
    TinyInstaller,
    WindowsStandIn,
    base_of,
    load_recipe,
    recipe_names,
)
from images.signed import fetch_signed_loaders
from images.tiny import build_tiny, build_tiny_installer, unpack_kernel
from images.windows import build_windows_stand_in

_PREFIX = "harness-build-"


def build(name: str, cmdline: str = "", firmware: Firmware = "bios") -> Path:
    """Return the path of the image of the recipe ``name``, built now or earlier.

    ``cmdline`` is added to the kernel's command line, and ``firmware`` is the one that can start
    the disk; both for the recipe ``tiny`` only. Raises RecipeError where it cannot be built.
    """
    recipe = load_recipe(name)
    if isinstance(recipe, Debian):
        signed = _signed_loaders(recipe)
        return _cached(
            name, ".qcow2", lambda tmp, out: build_debian(name, recipe, tmp, out, signed)
        )
    if isinstance(recipe, Alpine):
        return _cached(name, ".qcow2", lambda tmp, out: build_alpine(recipe, tmp, out))
    if isinstance(recipe, AlpineBare):
        return _cached(name, ".qcow2", lambda tmp, out: build_alpine_bare(recipe, tmp, out))
    if isinstance(recipe, WindowsStandIn):
        return _cached(name, ".qcow2", lambda tmp, out: build_windows_stand_in(recipe, tmp, out))
    if isinstance(recipe, DebianInstaller | DebianInstallerVariant):
        return _build_installer(name, recipe)
    if isinstance(recipe, DebianArchive):
        return _build_archive(name, recipe)
    if isinstance(recipe, TinyInstaller):
        return _build_tiny_installer(name, recipe)
    return _build_tiny(name, recipe, cmdline, "uefi" if recipe.signed else firmware)


def _build_tiny(name: str, recipe: Tiny, cmdline: str, firmware: Firmware) -> Path:
    sources = (_tiny_kernel(recipe), _signed_loaders(recipe))
    return _cached(
        name,
        ".qcow2",
        lambda tmp, out: build_tiny(recipe, cmdline, firmware, sources, tmp, out),
        "",
        cmdline,
        firmware,
        # The folder that has its init.
        _digest("tiny"),
    )


def _tiny_kernel(recipe: Tiny) -> Path:
    """Return the kernel of a tiny guest, which recipes share."""
    return _shared(
        "tiny-kernel",
        lambda tmp, out: unpack_kernel(recipe, tmp, out),
        f"{recipe.suite} {recipe.kernel}",
    )


def _signed_loaders(recipe: Debian | Tiny) -> Path | None:
    """Return the folder of signed loaders; None if the recipe needs none."""
    if not recipe.signed:
        return None
    suite = recipe.suite
    return _shared("signed-loaders", lambda tmp, out: fetch_signed_loaders(suite, tmp, out), suite)


def _build_tiny_installer(name: str, recipe: TinyInstaller) -> Path:
    base = load_recipe(recipe.base)
    if not isinstance(base, Tiny):
        raise RecipeError(f"{name}: its base {recipe.base} is no tiny guest.")
    guest, kernel = build(recipe.base), _tiny_kernel(base)
    return _cached(
        name,
        ".iso",
        lambda tmp, out: build_tiny_installer(base, recipe.drop_modules, kernel, guest, tmp, out),
        "",
        _digest(recipe.base),
    )


def _build_installer(name: str, recipe: DebianInstaller | DebianInstallerVariant) -> Path:
    """Build the ISO of a recipe; its downloads are shared with its variants."""
    base, dropped = name, list[str]()
    if isinstance(recipe, DebianInstallerVariant):
        variant, base, dropped = recipe, recipe.base, recipe.drop_modules
        recipe = base_of(name, variant)
        parts = _parts(base, recipe)
        if variant.netboot:
            recipe = for_the_network(recipe)
    else:
        parts = _parts(base, recipe)
    root = None
    if recipe.packages:
        root = _shared(
            f"{base}-root", lambda tmp, out: build_root(recipe, tmp, out), root_key(recipe)
        )
    sources = (parts, root)
    return _cached(
        name,
        ".iso",
        lambda tmp, out: build_iso(name, recipe, sources, dropped, tmp, out),
        "",
        recipe.model_dump_json(),
    )


def _build_archive(name: str, recipe: DebianArchive) -> Path:
    base = base_of(name, recipe)
    parts = _parts(recipe.base, base)
    debs = _shared(
        f"{name}-debs", lambda tmp, out: fetch_debs(recipe, base, tmp, out), debs_key(recipe, base)
    )
    return _cached(
        name,
        "",
        lambda tmp, out: build_archive(recipe, base, parts, debs, tmp, out),
        "",
        base.model_dump_json(),
    )


def _parts(name: str, recipe: DebianInstaller) -> Parts:
    """Return the files from the archive that the ISOs of a recipe and its variants share."""
    made = _shared(
        f"{name}-parts", lambda tmp, out: fetch_parts(recipe, tmp, out), parts_key(recipe)
    )
    return Parts(made)


def _shared(name: str, make: Callable[[Path, Path], None], of: str) -> Path:
    """Return a slow download from the cache; its key is the recipe alone, not the code."""
    return cached(name, hashlib.sha256(of.encode()).hexdigest()[:12], make)


def cache_folder() -> Path:
    """Return the folder of built images."""
    return folders.cache_folder() / "recipes"


def _cached(
    name: str, suffix: str, make: Callable[[Path, Path], None], recipe: str = "", *more: str
) -> Path:
    """Return what ``make(scratch, output)`` makes of a recipe, cached."""
    return cached(name, f"{_digest(recipe or name, *more)}{suffix}", make)


def cached(name: str, rest: str, make: Callable[[Path, Path], None]) -> Path:
    """Return ``name-rest`` from the cache, made by ``make(scratch, output)`` if it is missing."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}-{rest}"
    lock = os.open(folder / f".{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _make(make, folder, target)
    finally:
        os.close(lock)
    return target


def _make(make: Callable[[Path, Path], None], folder: Path, target: Path) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=os.environ.get("TMPDIR") or "/var/tmp"))  # noqa: S108
    new = folder / f".{target.name}.new"
    try:
        # mmdebstrap may work as another user inside; the names in it are no secret.
        scratch.chmod(0o755)
        make(scratch, new)
        new.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if new.is_dir():
            shutil.rmtree(new, ignore_errors=True)
        else:
            new.unlink(missing_ok=True)


def _digest(name: str, *more: str) -> str:
    """Return a digest of the recipe's folder, of the building code, and of the parameters."""
    digest = hashlib.sha256("\0".join(more).encode())
    sources = [*Path(__file__).parent.glob("*.py"), *(RECIPES / name).rglob("*")]
    for path in sorted(path for path in sources if path.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def main() -> int:
    """Run the program, and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m images.build", description=__doc__)
    parser.add_argument("name", choices=recipe_names(), metavar="NAME", help="a recipe")
    parser.add_argument("--cmdline", default="", help="for tiny: more of the kernel's command line")
    parser.add_argument(
        "--firmware",
        choices=get_args(Firmware),
        default="bios",
        help="for tiny: which firmware can start it; of another image its recipe says that",
    )
    parser.add_argument("--output", type=Path, help="copy the image here")
    wanted = parser.parse_args()
    try:
        path = build(wanted.name, wanted.cmdline, wanted.firmware)
        if wanted.output:
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            path = Path(copy(path, wanted.output))
    except (RecipeError, OSError) as error:
        sys.stderr.write(f"images.build: {error}\n")
        return 4
    except KeyboardInterrupt:
        sys.stderr.write("images.build: interrupted\n")
        return 130
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
