"""Package archives that debian-installer installs from by HTTP: a folder, for any web server.

The indexes are made here, of what is in the folder. So they fit it, whatever the mirror has dropped
of its installer, and what debootstrap installs is what the recipe names: it takes every package of
an index whose priority is "required" or "important". Nothing is signed.
"""

from __future__ import annotations

from pathlib import Path

from images.debian import fetch_files
from images.installer import Parts, download, udebs_of
from images.recipe import DebianArchive, DebianInstaller
from images.steps import say
from images.udeb import read_udeb, write_repository

_DOWNLOADED = "var/cache/apt/archives"
# For mmdebstrap, which would remove its downloads after unpacking them.
_FETCH_OPTIONS = ("--include=?priority(required)", "--skip=essential/unlink", "--skip=cleanup")


def debs_key(recipe: DebianArchive, base: DebianInstaller) -> str:
    """Return the cache key of :func:`fetch_debs`: what decides which files it fetches."""
    return base.suite + recipe.model_dump_json(include={"packages", "boot_loaders", "udebs"})


def fetch_debs(recipe: DebianArchive, base: DebianInstaller, scratch: Path, output: Path) -> None:
    """Make the folder ``output`` with what the recipe names, and the packages that those need."""
    say(f"fetching {len(recipe.packages)} packages of {base.suite}, and those that they need")
    output.mkdir()
    for loader in recipe.boot_loaders:
        fetched = scratch / loader
        packages = [*recipe.packages, loader]
        fetch_files(base.suite, packages, (f"./{_DOWNLOADED}/*.deb",), fetched, _FETCH_OPTIONS)
        for file in (fetched / _DOWNLOADED).iterdir():
            file.replace(output / file.name)
    for path, digest in recipe.udebs.items():
        download(path, digest, output / path)


def build_archive(
    recipe: DebianArchive,
    base: DebianInstaller,
    parts: Parts,
    fetched: Path,
    scratch: Path,
    output: Path,
) -> None:
    """Write the archive to the folder ``output``; ``fetched`` is what :func:`fetch_debs` made."""
    say("writing the archive")
    initrd = (parts.installer / "initrd.gz").read_bytes()
    udebs = udebs_of(base, parts, initrd, set(), scratch)
    udebs = [udeb for udeb in udebs if udeb.name not in recipe.without_udebs]
    udebs += [read_udeb(fetched / path, path) for path in recipe.udebs]
    debs = [read_udeb(file, _pool(file)) for file in sorted(fetched.glob("*.deb"))]
    output.mkdir()
    write_repository(udebs, base.suite, output, debs)


def _pool(file: Path) -> str:
    """Return the path of a package in the archive, without characters that a URL must escape."""
    name, version, rest = file.name.split("_")
    return f"pool/main/{name}/{name}_{version.rpartition('%3a')[2]}_{rest}"
