"""Packages of debian-installer: read, built from kernel modules, added to an initrd and an ISO.

An initrd is changed as debian-installer's own build does it (its build/Makefile): packages are
unpacked, not set up, and the status file has only the fields that the menu reads.
"""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.image.fs.newc import NewcEntry
from images.steps import run

STATUS = "var/lib/dpkg/status"
_INFO = "var/lib/dpkg/info"
# The fields that the menu and udpkg read, in the order of debian-installer's build.
_STATUS_FIELDS = (
    "Package",
    "Status",
    "Version",
    "Provides",
    "Depends",
    "Description",
    "Installer-Menu-Item",
)
# The initrd has these as links into usr; the kernel would put a folder in the place of a link.
_MERGED = ("bin", "lib", "lib64", "sbin")
# A fixed date: two builds give the same package.
_DATE_S = 1767225600
_NOT_KEPT = ("control", "md5sums")


@dataclass(frozen=True, slots=True)
class Udeb:
    """A package of the installer or of the system: name, control file, file, path on an ISO."""

    name: str
    control: str
    file: Path
    pool: str

    @property
    def plain_name(self) -> str:
        """The name without the kernel's version in it: scsi-modules."""
        if not self.name.endswith("-di"):
            return self.name
        return self.name.partition("-modules-")[0] + "-modules"


def read_udeb(file: Path, pool: str) -> Udeb:
    """Read the package in ``file``; its path on an ISO is ``pool``."""
    control = run("dpkg-deb", "--field", file)
    return Udeb(fields(control)["Package"], control, file, pool)


def make_module_udeb(
    name: str,
    kernel: tuple[str, str],
    modules: Iterable[Path],
    extra: tuple[list[str], str],
    scratch: Path,
) -> Udeb:
    """Make a package of kernel modules, like those that Debian's kernel builds for the installer.

    ``kernel`` is the release and the version of its package; ``modules`` are files below a folder
    ``lib``; ``extra`` is what is provided besides ``name``, and the priority.
    """
    release, version = kernel
    provides, priority = extra
    full_name = f"{name}-{release}-di"
    folder = scratch / full_name
    for module in modules:
        parts = module.parts
        target = folder.joinpath(*parts[len(parts) - 1 - parts[::-1].index("lib") :])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, target)
    control = (
        f"Package: {full_name}\nVersion: {version}\nArchitecture: amd64\n"
        "Maintainer: nobody <nobody@localhost>\nSection: debian-installer\n"
        f"Priority: {priority}\nProvides: {', '.join([name, *provides])}\n"
        f"Depends: kernel-image-{release}-di\nKernel-Version: {release}\n"
        f"Description: {name.replace('-', ' ')} of the kernel's package\n"
    )
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "DEBIAN" / "control").write_text(control, encoding="utf-8")
    file = scratch / f"{full_name}_{version}_amd64.udeb"
    dated = ("env", f"SOURCE_DATE_EPOCH={_DATE_S}", "dpkg-deb")
    run(*dated, "--root-owner-group", "-Zgzip", "--build", folder, file)
    return Udeb(full_name, control, file, f"pool/main/l/linux/{file.name}")


def fields(stanza: str) -> dict[str, str]:
    """Return the fields of a stanza, each with its first line."""
    rows = (line.partition(":") for line in stanza.splitlines() if line[:1].strip())
    return {name: value.strip() for name, _, value in rows}


def status_of(control: str) -> str:
    """Return the stanza of the status file for an unpacked package."""
    known = {**fields(control), "Status": "install ok unpacked"}
    return "".join(f"{name}: {known[name]}\n" for name in _STATUS_FIELDS if known.get(name))


def change_status(status: str, without: Iterable[str], added: Iterable[str]) -> str:
    """Return a status file without the packages ``without``, with the stanzas ``added``.

    Raises KeyError if a package to remove is missing.
    """
    stanzas = {fields(text)["Package"]: text for text in status.strip().split("\n\n")}
    for name in without:
        del stanzas[name]
    for text in added:
        stanzas[fields(text)["Package"]] = text.strip()
    return "\n\n".join(stanzas.values()) + "\n\n"


def unpack(udeb: Udeb, scratch: Path) -> list[NewcEntry]:
    """Return the initrd entries of a package: its files, scripts and templates."""
    folder = scratch / f"{udeb.name}.unpacked"
    run("dpkg-deb", "--raw-extract", udeb.file, folder)
    entries = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.is_dir() and not path.is_symlink():
            continue
        if inner.parts[0] == "DEBIAN":
            if inner.name not in _NOT_KEPT:
                entries.append(_entry(path, f"{_INFO}/{udeb.name}.{inner.name}"))
        else:
            entries.append(_entry(path, merged_path(inner.as_posix())))
    return entries


def merged_path(path: str) -> str:
    """Return the path in an initrd whose bin, lib and sbin are links into usr."""
    return f"usr/{path}" if path.partition("/")[0] in _MERGED else path


def _entry(path: Path, inner: str) -> NewcEntry:
    if path.is_symlink():
        return NewcEntry(inner, stat.S_IFLNK | 0o777, str(path.readlink()).encode())
    mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return NewcEntry(inner, stat.S_IFREG | mode, path.read_bytes())


def folders_for(entries: Iterable[NewcEntry], known: set[str]) -> list[NewcEntry]:
    """Return the folders that ``entries`` need and that are not ``known``, parents first."""
    needed = {
        parent.as_posix()
        for entry in entries
        for parent in PurePosixPath(entry.path).parents
        if parent.parts
    }
    return [NewcEntry(path, stat.S_IFDIR | 0o755) for path in sorted(needed - known)]


def write_repository(
    udebs: Iterable[Udeb], suite: str, folder: Path, debs: Iterable[Udeb] = ()
) -> None:
    """Write packages and their indexes to ``folder``.

    Without ``debs``, packages of the system, their index is empty.
    """
    release = folder / "dists" / suite
    contents = {
        "main/binary-amd64/Packages": _add_packages(debs, folder),
        "main/debian-installer/binary-amd64/Packages": _add_packages(udebs, folder),
    }
    sums = []
    for path, content in contents.items():
        target = release / f"{path}.gz"
        target.parent.mkdir(parents=True)
        packed = gzip.compress(content, mtime=0)
        target.write_bytes(packed)
        # As in Debian's archive: apt expects the sum of the unpacked index, which is not stored.
        sums += [_sum(packed, f"{path}.gz"), _sum(content, path)]
    # choose-mirror reads this file to see whether the archive has its architecture.
    about = "Archive: stable\nOrigin: Debian\nLabel: Debian\nComponent: main\nArchitecture: amd64\n"
    (release / "main" / "binary-amd64" / "Release").write_text(about, encoding="utf-8")
    head = f"Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: {suite}\n"
    head += f"Date: {email.utils.formatdate(_DATE_S, usegmt=True)}\n"
    head += "Architectures: amd64\nComponents: main\nSHA256:\n"
    (release / "Release").write_text(head + "".join(sums), encoding="utf-8")


def _sum(content: bytes, path: str) -> str:
    """Return a line of a Release file."""
    return f" {hashlib.sha256(content).hexdigest()} {len(content)} {path}\n"


def _add_packages(packages: Iterable[Udeb], folder: Path) -> bytes:
    """Copy packages into a repository, and return their index."""
    stanzas = []
    for package in sorted(packages, key=lambda package: package.name):
        target = folder / package.pool
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package.file, target)
        stanzas.append(_index_stanza(package))
    return "\n".join(stanzas).encode()


def _index_stanza(udeb: Udeb) -> str:
    content = udeb.file.read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return (
        f"{udeb.control.strip()}\nFilename: {udeb.pool}\nSize: {len(content)}\n"
        f"MD5sum: {md5}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    )
