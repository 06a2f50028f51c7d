"""ISOs with debian-installer: Debian's own kernel, initrd and menus, and an offline installation.

Debian publishes its network installer as a package, its CD installer only as an ISO. So the initrd
here is that of the package, followed by an archive with what an ISO needs: drivers for disks and
drives, and the packages that find and read the ISO. The ISO has the rest of the installer, and the
system to install as a squashfs that live-installer copies.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import stat
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from harness.image.fs.newc import NewcEntry, pack_newc
from images.cpio import entries_of, without
from images.debian import bootstrap, fetch_files, mirror
from images.disk import EFI_X86_64
from images.recipe import DebianInstaller, RecipeError
from images.steps import run, say
from images.tiny import module_order
from images.udeb import (
    STATUS,
    Udeb,
    change_status,
    fields,
    folders_for,
    make_module_udeb,
    merged_path,
    read_udeb,
    status_of,
    unpack,
    write_repository,
)

_PACKAGE_FOLDER = "./usr/lib/debian-installer/images/*/amd64/text/"
_ISOLINUX = ("./usr/lib/ISOLINUX/isolinux.bin", "./usr/lib/ISOLINUX/isohdpfx.bin")
_LSB_RELEASE = "etc/lsb-release"
_DEPMOD_WRITES = ("alias", "dep", "devname", "softdep", "symbols", "weakdep")
# One fixed date for all files: two builds give the same ISO. xorriso wants hundredths, too.
_DATE = "2026010100000000"
_GPT_GUID = "6d0b6a0e3c0a4f5c9a3f5d1c7e11d15c"
_EFI_KIB = 4096
_EFI_SERIAL = "44454249"
# The core image on Debian's ISOs knows nothing of its ISO: it searches for this file.
_GRUB_EFI_CFG = """\
search --no-floppy --file --set=root /.disk/info
set prefix=($root)/boot/grub
"""
# The modules that the installer's grub.cfg needs, so that none is loaded from the ISO.
_GRUB_MODULES = (
    "part_msdos",
    "part_gpt",
    "fat",
    "iso9660",
    "normal",
    "linux",
    "configfile",
    "search",
    "search_fs_file",
    "test",
    "echo",
    "ls",
    "cat",
    "font",
    "gfxterm",
    "gfxterm_background",
    "gfxmenu",
    "png",
    "all_video",
    "efi_gop",
    "efi_uga",
    "video_bochs",
    "video_cirrus",
    "play",
    "terminal",
    "serial",
    "halt",
    "reboot",
    "minicmd",
)
# Paths in the package, and the corresponding paths on Debian's ISOs.
_MENU_PATHS = (
    ("debian-installer/amd64/boot-screens/syslinux.cfg", "isolinux.cfg"),
    ("debian-installer/amd64/boot-screens/", ""),
    ("/debian-installer/amd64/linux", "/install.amd/vmlinuz"),
    ("/debian-installer/amd64/initrd.gz", "/install.amd/initrd.gz"),
    ("debian-installer/amd64/linux", "/install.amd/vmlinuz"),
    ("debian-installer/amd64/initrd.gz", "/install.amd/initrd.gz"),
)

# Options of mmdebstrap for the installed system.
_ROOT_OPTIONS = (
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    # The installer writes the initramfs again, on a machine without hardware virtualisation.
    '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d"',
    '--essential-hook=echo COMPRESSLEVEL=1 > "$1/etc/initramfs-tools/conf.d/fast"',
    # No trace of a machine that has booted before (host keys, machine id).
    '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*; : > "$1/etc/machine-id"',
)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an ISO, in the folder that :func:`fetch_parts` made."""

    folder: Path

    @property
    def installer(self) -> Path:
        """Kernel, initrd and menus of the package."""
        return self.folder / "debian-installer" / "amd64"

    @property
    def modules(self) -> Path:
        """Every module of the kernel, below a folder ``lib``."""
        return self.folder / "kernel"

    @property
    def udebs(self) -> Path:
        """Packages of the installer, by their path in the archive."""
        return self.folder / "udebs"


def parts_key(recipe: DebianInstaller) -> str:
    """Return the cache key of :func:`fetch_parts`: what decides which files it fetches."""
    return recipe.model_dump_json(include={"suite", "netboot", "udebs"}) + str(bool(recipe.modules))


def fetch_parts(recipe: DebianInstaller, scratch: Path, output: Path) -> None:
    """Make the folder ``output`` with the files from the archive for an ISO."""
    say(f"fetching {recipe.netboot} of {recipe.suite}")
    fetched = scratch / "netboot"
    fetch_files(recipe.suite, [recipe.netboot, "isolinux"], (_PACKAGE_FOLDER, *_ISOLINUX), fetched)
    output.mkdir()
    shutil.copytree(
        _only(fetched, _PACKAGE_FOLDER + "debian-installer"), output / "debian-installer"
    )
    for path in _ISOLINUX:
        shutil.copyfile(fetched / path, output / Path(path).name)
    if recipe.modules:
        initrd = (Parts(output).installer / "initrd.gz").read_bytes()
        _fetch_modules(recipe.suite, kernel_release(_names(initrd)), scratch, output)
    for path, digest in recipe.udebs.items():
        download(path, digest, Parts(output).udebs / path)


def _fetch_modules(suite: str, release: str, scratch: Path, output: Path) -> None:
    """Fetch the modules of the initrd's kernel, from the package of the same build."""
    say(f"fetching the modules of {release}")
    folder = scratch / "kernel"
    fetch_files(suite, [f"linux-image-{release}"], ("*lib/modules/*",), folder)
    found = _only(folder, f"**/lib/modules/{release}")
    target = output / "kernel" / "lib" / "modules" / release
    shutil.copytree(found, target)
    run("depmod", "--basedir", output / "kernel", release)


def download(path: str, sha256: str, target: Path) -> None:
    """Write a file of the archive to ``target``; raises RecipeError if its digest differs."""
    url = f"{mirror()}/{path}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  the mirror's scheme
            content = answer.read()
    except OSError as error:
        raise RecipeError(f"{url} cannot be read: {error}.") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RecipeError(f"{url} is not the file that the recipe names: its SHA-256 differs.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def for_the_network(recipe: DebianInstaller) -> DebianInstaller:
    """Return the recipe of an ISO with the same kernel and initrd package, and nothing else."""
    kept = {"kind", "description", "suite", "netboot"}
    return DebianInstaller(**recipe.model_dump(include=kept))


def root_key(recipe: DebianInstaller) -> str:
    """Return the cache key of :func:`build_root`."""
    return recipe.model_dump_json(include={"suite", "packages"}) + "".join(_ROOT_OPTIONS)


def build_root(recipe: DebianInstaller, scratch: Path, output: Path) -> None:
    """Write the system to install to ``output``, a squashfs."""
    say(f"installing {len(recipe.packages)} packages of {recipe.suite}")
    tar = scratch / "root.tar"
    bootstrap(recipe.suite, tar, recipe.packages, "minbase", [*_ROOT_OPTIONS])
    say("packing the file system")
    # Zstandard: a guest without hardware virtualisation unpacks it, which XZ makes slow.
    pack_it = 'exec mksquashfs - "$2" -tar -comp zstd -quiet -no-progress < "$1"'
    run("sh", "-ec", pack_it, "mksquashfs", tar, output)


def build_iso(
    name: str,
    recipe: DebianInstaller,
    sources: tuple[Parts, Path | None],
    dropped: list[str],
    scratch: Path,
    output: Path,
) -> None:
    """Write the ISO to ``output``; ``sources`` are its parts and the system that it installs.

    The modules ``dropped`` are removed from its initrd and its packages. Raises RecipeError if one
    of them is in neither.
    """
    parts, _ = sources
    say(f"{name}: writing the disc")
    iso = scratch / "disc"
    boot = iso / "install.amd"
    boot.mkdir(parents=True)
    shutil.copyfile(parts.installer / "linux", boot / "vmlinuz")
    initrd = (parts.installer / "initrd.gz").read_bytes()
    if recipe.modules:
        initrd, udebs = _iso_initrd(recipe, parts, initrd, dropped, scratch)
        write_repository(udebs, recipe.suite, iso)
    (boot / "initrd.gz").write_bytes(initrd)
    _write_disk_info(recipe, iso, initrd)
    _write_menus(parts, iso)
    _write_efi(iso, scratch)
    _write_iso(recipe, sources, iso, output)


def _iso_initrd(
    recipe: DebianInstaller, parts: Parts, netboot: bytes, dropped: list[str], scratch: Path
) -> tuple[bytes, list[Udeb]]:
    """Return the initrd of an ISO, and the installer packages on it."""
    gone = {_kernel_name(name) for name in dropped}
    names = _names(netboot)
    missed = gone - {_module_name(name) for name in names} - _in_groups(recipe)
    if missed:
        raise RecipeError(f"There is no module {', '.join(sorted(missed))} on the disc.")
    if gone & {_module_name(name) for name in names}:
        netboot, _ = without(netboot, lambda path: _module_name(path) in gone)
        names = _names(netboot)
    files = {entry.path: entry.content.decode() for entry in _texts(netboot)}
    udebs = udebs_of(recipe, parts, netboot, gone, scratch)
    inside = [udeb for udeb in udebs if udeb.plain_name in recipe.initrd_udebs]
    entries = [entry for udeb in inside for entry in unpack(udeb, scratch)]
    stanzas = [status_of(udeb.control) for udeb in inside]
    status = change_status(files[STATUS], recipe.not_in_initrd, stanzas)
    medium = files[_LSB_RELEASE].replace("MEDIUM=netboot", "MEDIUM=cdrom")
    for path, text in {STATUS: status, _LSB_RELEASE: medium}.items():
        entries.append(NewcEntry(path, stat.S_IFREG | 0o644, text.encode()))
    there = {_module_name(path) for path in (*names, *(entry.path for entry in entries))}
    entries += _module_indexes(parts, kernel_release(names), there - {""}, scratch)
    archive = pack_newc([*folders_for(entries, names), *entries])
    return netboot + gzip.compress(archive, mtime=0), udebs


def udebs_of(
    recipe: DebianInstaller, parts: Parts, initrd: bytes, gone: set[str], scratch: Path
) -> list[Udeb]:
    """Return the installer packages for ``initrd``: the recipe's, and those of its modules.

    Modules that are ``gone``, or in the initrd already, are left out.
    """
    status = next(entry for entry in _texts(initrd) if entry.path == STATUS).content.decode()
    udebs = [read_udeb(parts.udebs / path, path) for path in recipe.udebs]
    return udebs + _make_module_udebs(recipe, parts, status, _names(initrd), gone, scratch)


def _in_groups(recipe: DebianInstaller) -> set[str]:
    return {_kernel_name(name) for group in recipe.modules.values() for name in group.modules}


def _make_module_udebs(
    recipe: DebianInstaller,
    parts: Parts,
    status: str,
    names: set[str],
    gone: set[str],
    scratch: Path,
) -> list[Udeb]:
    """Make the module packages; dependencies that no earlier package has are included."""
    release = kernel_release(names)
    versions = {
        each["Package"]: each["Version"] for each in map(fields, status.split("\n\n")) if each
    }
    kernel = (release, versions[f"kernel-image-{release}-di"])
    tree = parts.modules / "lib" / "modules" / release
    there = {_module_name(name) for name in names} | gone
    udebs = []
    for name, group in recipe.modules.items():
        wanted = [each for each in map(_kernel_name, group.modules) if each not in gone]
        found = [
            path for path in module_order(tree, wanted) if _module_name(path.name) not in there
        ]
        there |= {_module_name(path.name) for path in found}
        extra = (group.provides, group.priority)
        udebs.append(make_module_udeb(name, kernel, found, extra, scratch))
    return udebs


def _module_indexes(parts: Parts, release: str, there: set[str], scratch: Path) -> list[NewcEntry]:
    """Return the depmod indexes for the modules in an initrd, as in the kernel package."""
    base = scratch / "depmod"
    tree = base / "lib" / "modules" / release
    shutil.copytree(parts.modules / "lib" / "modules" / release, tree)
    for path in tree.rglob("*.ko*"):
        if _module_name(path.name) not in there:
            path.unlink()
    run("depmod", "--basedir", base, release)
    found = [path for name in _DEPMOD_WRITES for path in sorted(tree.glob(f"modules.{name}*"))]
    folder = merged_path(f"lib/modules/{release}")
    return [
        NewcEntry(f"{folder}/{path.name}", stat.S_IFREG | 0o644, path.read_bytes())
        for path in found
        if path.suffix == ".bin" or path.stem == "modules"
    ]


def kernel_release(names: set[str]) -> str:
    """Return the kernel release of the modules in an initrd. Raises RecipeError without one."""
    found = {match[1] for name in names if (match := re.search(r"lib/modules/([^/]+)/", name))}
    if len(found) != 1:
        raise RecipeError(f"The initrd has modules of {len(found)} kernels, one was expected.")
    return found.pop()


def _module_name(path: str) -> str:
    """Return the kernel's name of a module by its file; "" for another file."""
    name, dot, _ = path.rpartition("/")[2].partition(".ko")
    return _kernel_name(name) if dot else ""


def _kernel_name(module: str) -> str:
    return module.replace("-", "_")


def _names(initrd: bytes) -> set[str]:
    return {entry.path for entry in entries_of(initrd)}


def _texts(initrd: bytes) -> list[NewcEntry]:
    return [entry for entry in entries_of(initrd) if entry.path in (STATUS, _LSB_RELEASE)]


def _write_disk_info(recipe: DebianInstaller, iso: Path, initrd: bytes) -> None:
    """Write the files in .disk that identify the ISO."""
    release = next(entry for entry in _texts(initrd) if entry.path == _LSB_RELEASE)
    build = release.content.decode().partition("installer build ")[2].partition('"')[0]
    number = recipe.netboot.split("-")[2]
    title = f'Debian GNU/Linux {number} "{recipe.suite.capitalize()}"'
    kind = "NETINST" if recipe.modules else "NETBOOT"
    texts = {"info": f"{title} - Unofficial amd64 {kind} of installer build {build}"}
    if recipe.packages:
        texts |= {
            "base_components": "main\n",
            "base_installable": "",
            "cd_type": "not_complete\n",
            "udeb_include": "live-installer\n",
        }
    folder = iso / ".disk"
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def on_an_iso(menu: str) -> str:
    """Return a menu of the package with the paths of an ISO."""
    for path, where in _MENU_PATHS:
        menu = menu.replace(path, where)
    return menu


def _write_menus(parts: Parts, iso: Path) -> None:
    """Write Debian's menus, for BIOS and UEFI. They wait for a key, as on Debian's ISOs."""
    target = iso / "isolinux"
    target.mkdir()
    shutil.copyfile(parts.folder / "isolinux.bin", target / "isolinux.bin")
    for path in sorted((parts.installer / "boot-screens").iterdir()):
        if path.suffix == ".cfg":
            name = "isolinux.cfg" if path.name == "syslinux.cfg" else path.name
            (target / name).write_text(on_an_iso(path.read_text("utf-8")), encoding="utf-8")
        else:
            shutil.copyfile(path, target / path.name)
    grub = iso / "boot" / "grub"
    (grub / "fonts").mkdir(parents=True)
    shutil.copyfile(parts.installer / "grub" / "font.pf2", grub / "fonts" / "unicode.pf2")
    menu = (parts.installer / "grub" / "grub.cfg").read_text(encoding="utf-8")
    (grub / "grub.cfg").write_text(on_an_iso(menu), encoding="utf-8")


def _write_efi(iso: Path, scratch: Path) -> None:
    """Write the FAT volume with the loader for UEFI."""
    if not EFI_X86_64.modules.is_dir():
        raise RecipeError(f"{EFI_X86_64.modules} is missing: apt-get install grub-efi-amd64-bin.")
    loader, config, volume = scratch / "grub.efi", scratch / "early.cfg", iso / "boot/grub/efi.img"
    config.write_text(_GRUB_EFI_CFG, encoding="utf-8")
    image = ("grub-mkimage", "-O", EFI_X86_64.platform, "-p", "/boot/grub", "-c", config)
    run(*image, "-o", loader, "-d", EFI_X86_64.modules, *_GRUB_MODULES)
    with volume.open("xb") as file:
        file.truncate(_EFI_KIB * 1024)
    run("mkfs.vfat", "-i", _EFI_SERIAL, "--invariant", volume)
    run("mmd", "-i", volume, "::EFI", "::EFI/BOOT")
    run("mcopy", "-i", volume, loader, f"::{EFI_X86_64.loader}")


def _write_iso(
    recipe: DebianInstaller, sources: tuple[Parts, Path | None], iso: Path, output: Path
) -> None:
    """Write the ISO: El Torito for BIOS and UEFI, and a boot sector for use as a disk."""
    parts, root = sources
    # The path that live-installer reads (lib/live-installer/squashfs in its package).
    live = (f"/live/filesystem.squashfs={root}",) if root else ()
    label = f"Debian {recipe.netboot.split('-')[2]} amd64 n"
    run(
        "xorriso",
        "-as",
        "mkisofs",
        "-quiet",
        "-r",
        "-V",
        label,
        "-o",
        output,
        f"--modification-date={_DATE}",
        "--set_all_file_dates",
        _DATE,
        "--gpt_disk_guid",
        _GPT_GUID,
        "-isohybrid-mbr",
        parts.folder / "isohdpfx.bin",
        "-b",
        "isolinux/isolinux.bin",
        "-c",
        "isolinux/boot.cat",
        "-boot-load-size",
        "4",
        "-boot-info-table",
        "-no-emul-boot",
        "-eltorito-alt-boot",
        "-e",
        "boot/grub/efi.img",
        "-no-emul-boot",
        "-isohybrid-gpt-basdat",
        "-graft-points",
        f"/={iso}",
        *live,
    )


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise RecipeError(f"{folder}: {len(found)} files match {pattern}, one was expected.")
    return found[0]
