"""The default entry of a boot loader: of GRUB, of BLS files, of Syslinux.

GRUB's language is a shell; this module reads the entries that distributions write. An entry whose
paths depend on variables that only GRUB knows is skipped. For an ISO all entries are given: its
default may be to boot from the hard disk.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.image.fs.tree import Tree

_GRUB_CONFIGS = (
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/efi/EFI/*/grub.cfg",
    "/grub/grub.cfg",
    "/grub2/grub.cfg",
)
_SYSLINUX_CONFIGS = (
    "/boot/syslinux/syslinux.cfg",
    "/boot/extlinux/extlinux.conf",
    "/boot/extlinux.conf",
    "/extlinux.conf",
    "/syslinux.cfg",
    "/syslinux/syslinux.cfg",
)
# The search path of ISOLINUX (Syslinux 6.03, core/fs/iso9660/iso9660.c, iso_open_config).
_ISOLINUX_CONFIGS = tuple(
    f"{folder}/{name}"
    for folder in ("/boot/isolinux", "/isolinux", "/boot/syslinux", "/syslinux", "")
    for name in ("isolinux.cfg", "syslinux.cfg")
)
# The paths of GRUB's configuration on the ISOs of distributions.
_ISO_GRUB_CONFIGS = (
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/grub/grub.cfg",
    "/EFI/BOOT/grub.cfg",
)
_BLS_FOLDERS = ("/boot/loader/entries", "/boot/efi/loader/entries", "/loader/entries")
# The depth is that of Syslinux (com32/elflink/ldlinux/readconfig.c, MAX_INCLUDE_NEST_DEPTH); the
# total number is our own limit.
_MAX_INCLUDE_DEPTH, _MAX_INCLUDES = 16, 64
_MAX_ENTRIES = 64


@dataclass(frozen=True, slots=True)
class BootLoaderEntry:
    """A boot loader entry, with paths as the system sees them. ``config`` is the file it is in.

    With ``waits`` the boot loader waits for a key press first.
    """

    title: str
    kernel: str
    initrds: tuple[str, ...]
    cmdline: str
    config: str
    waits: bool = False


def default_entry(tree: Tree) -> BootLoaderEntry | None:
    """The entry that starts by default; None without a supported configuration."""
    for pattern in _GRUB_CONFIGS:
        for path in tree.match(pattern):
            if found := _grub_default(tree, path):
                return found
    for pattern in _SYSLINUX_CONFIGS:
        for path in tree.match(pattern):
            if found := _syslinux_default(tree, path):
                return found
    return _bls_default(tree, "", {})


def iso_entries(tree: Tree) -> Iterator[BootLoaderEntry]:
    """Yield the entries of the boot loaders on an ISO, for each loader its default first.

    ISOLINUX comes before GRUB, which many ISOs have for UEFI only.
    """
    for path in filter(tree.exists, _ISOLINUX_CONFIGS):
        for label in _preferred(*_syslinux_labels(tree, path))[:_MAX_ENTRIES]:
            yield _syslinux_entry(tree, label, path)
    for path in filter(tree.exists, _ISO_GRUB_CONFIGS):
        if default := _grub_default(tree, path):
            yield default
        for entry, _ in list(_menu_entries(tree.text(path), path))[:_MAX_ENTRIES]:
            yield _with_system_paths(tree, entry, path)


def _grub_default(tree: Tree, path: str) -> BootLoaderEntry | None:
    text = tree.text(path)
    env = _grub_environment(tree, path)
    variables = dict(re.findall(r'^\s*set (\w+)="?([^"$\n;}]*)"?\s*$', text, re.MULTILINE))
    variables.update(env)
    default = env.get("saved_entry", "") if re.search(r"\$\{?saved_entry", text) else ""
    default = env.get("next_entry") or default or variables.get("default", "0")
    entries = list(_menu_entries(text, path))
    if re.search(r"^\s*blscfg\b", text, re.MULTILINE) and not entries:
        return _bls_default(tree, default, variables)
    chosen = _choose(entries, default)
    if chosen is None:
        return None
    # GRUB manual 2.12, "timeout": -1 waits for ever. A conditional one may have another value.
    timeouts = re.findall(r"^\s*set timeout=[\"']?(-?\d+)", text, re.MULTILINE)
    waits = bool(chosen.title) and bool(timeouts) and all(int(value) < 0 for value in timeouts)
    return replace(_with_system_paths(tree, chosen, path), waits=waits)


def _grub_environment(tree: Tree, config: str) -> dict[str, str]:
    """The variables in ``grubenv`` in the folder of the configuration."""
    folder = posixpath.dirname(config)
    text = tree.text(f"{folder}/grubenv") or tree.text("/boot/grub2/grubenv")
    rows = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {key: value for key, _, value in rows if value}


@dataclass(slots=True)
class _MenuEntry:
    title: str
    identifier: str
    kernel: str = ""
    cmdline: str = ""
    initrds: tuple[str, ...] = ()


def _menu_entries(text: str, path: str) -> Iterator[tuple[_MenuEntry, str]]:
    """Yield the entries of a GRUB configuration in order, those of a submenu in its place.

    Commands before the first entry count as an entry: a configuration need not have a menu.
    """
    current = _MenuEntry("", "")
    for line in text.splitlines():
        words = line.strip()
        # Options may come before the title, such as --hotkey=i on Debian's ISOs.
        start = re.match(r"menuentry\s+(?:--[\w-]+(?:=\S+)?\s+)*(['\"])(.*?)\1(.*)", words)
        if start:
            if current.kernel:
                yield current, path
            identifier = re.search(r"(?:\$menuentry_id_option|--id)\s+['\"]?([^'\"\s{]+)", start[3])
            current = _MenuEntry(start[2], identifier[1] if identifier else "")
        elif kernel := re.match(r"linux(?:16|efi)?\s+(\S+)\s*(.*)", words):
            current.kernel, current.cmdline = kernel[1], kernel[2]
        elif initrd := re.match(r"initrd(?:16|efi)?\s+(.+)", words):
            current.initrds = tuple(initrd[1].split())
    if current.kernel:
        yield current, path


def _choose(entries: list[tuple[_MenuEntry, str]], default: str) -> _MenuEntry | None:
    """The entry that ``default`` names by number, title or identifier; else the first one."""
    default = default.split(">")[-1] if default.startswith(("gnulinux-advanced", "1>")) else default
    for entry, _ in entries:
        if default and default in (entry.title, entry.identifier):
            return entry
    if default.isdigit() and int(default) < len(entries):
        return entries[int(default)][0]
    return entries[0][0] if entries else None


def _with_system_paths(tree: Tree, entry: _MenuEntry, config: str) -> BootLoaderEntry:
    """Return the entry with paths of the system: those on a separate /boot are relative to it."""
    kernel = re.sub(r"^\([^)]*\)|\$\{?\w+\}?", "", entry.kernel)
    prefix = "" if tree.exists(kernel) else _prefix(tree, kernel)
    initrds = (re.sub(r"^\([^)]*\)|\$\{?\w+\}?", "", name) for name in entry.initrds)
    return BootLoaderEntry(
        title=entry.title,
        kernel=prefix + kernel,
        initrds=tuple(prefix + name for name in initrds if name.strip("/")),
        cmdline=entry.cmdline,
        config=config,
    )


def _prefix(tree: Tree, kernel: str) -> str:
    for folder in ("/boot", "/boot/efi"):
        if tree.exists(folder + "/" + kernel.lstrip("/")):
            return folder
    return ""


def _bls_default(tree: Tree, default: str, variables: dict[str, str]) -> BootLoaderEntry | None:
    """The saved entry of the Boot Loader Specification, or the newest one."""
    for folder in _BLS_FOLDERS:
        names = [name for name in tree.names(folder) if name.endswith(".conf")]
        if not names:
            continue
        names.sort(key=_version_key, reverse=True)
        named = [name for name in names if default and name.removesuffix(".conf") == default]
        regular = [name for name in names if "rescue" not in name]
        for name in (*named, *regular, *names):
            if found := _bls_entry(tree, f"{folder}/{name}", variables):
                return found
    return None


def _version_key(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts versions as rpm does: numbers by value, after words."""
    parts = re.findall(r"\d+|[a-zA-Z]+", text)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def _bls_entry(tree: Tree, path: str, variables: dict[str, str]) -> BootLoaderEntry | None:
    values: dict[str, list[str]] = {}
    for line in tree.text(path).splitlines():
        key, _, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            values.setdefault(key, []).append(value.strip())
    if not values.get("linux"):
        return None
    options = " ".join(values.get("options", []))
    for name, value in variables.items():
        options = re.sub(rf"\$\{{?{name}\b\}}?", value.replace("\\", ""), options)
    title = values.get("title", [""])[0]
    initrds = tuple(word for row in values.get("initrd", []) for word in row.split())
    initrds = tuple(word for word in initrds if not word.startswith("$"))
    entry = _MenuEntry(title, "", values["linux"][0], options, initrds)
    return _with_system_paths(tree, entry, path)


def _syslinux_default(tree: Tree, path: str) -> BootLoaderEntry | None:
    """The label that DEFAULT names, or the first (syslinux wiki, "Config")."""
    labels, default, _ = _syslinux_labels(tree, path)
    label = labels.get(default) or next(iter(labels.values()), None)
    return _syslinux_entry(tree, label, path) if label and label.kernel else None


def _syslinux_entry(tree: Tree, label: _MenuEntry, path: str) -> BootLoaderEntry:
    """Return the label as an entry; its paths are relative to the folder of the configuration."""
    folder = posixpath.dirname(path)
    placed = replace(
        label,
        kernel=posixpath.join(folder, label.kernel),
        initrds=tuple(posixpath.join(folder, name) for name in label.initrds),
    )
    return _with_system_paths(tree, placed, path)


def _preferred(labels: dict[str, _MenuEntry], default: str, marked: str) -> list[_MenuEntry]:
    """The labels that start a kernel: the default, that of the menu, then the others in order.

    Labels for Syslinux modules, such as menus and chain loaders, are left out.
    """
    names = dict.fromkeys([*(name for name in (default, marked) if name in labels), *labels])
    rows = (labels[name] for name in names)
    return [row for row in rows if row.kernel and not row.kernel.lower().endswith(".c32")]


def _syslinux_labels(tree: Tree, path: str) -> tuple[dict[str, _MenuEntry], str, str]:
    """The labels in order, the name after DEFAULT, and the name of the one with MENU DEFAULT."""
    labels: dict[str, _MenuEntry] = {}
    default, marked, current = "", "", None
    for key, value in _syslinux_lines(tree, path):
        if key == "default":
            default = value
        elif key == "label":
            current = labels.setdefault(value, _MenuEntry(value, ""))
        elif current and key == "menu" and value.lower() == "default":
            marked = current.title
        elif current and key in ("kernel", "linux"):
            current.kernel = value
        elif current and key == "append":
            current.cmdline = value
            if initrd := re.search(r"\binitrd=(\S+)", value):
                current.initrds = tuple(initrd[1].split(","))
        elif current and key == "initrd":
            current.initrds = tuple(value.split(","))
    return labels, default, marked


def _syslinux_lines(tree: Tree, path: str) -> Iterator[tuple[str, str]]:
    """Yield directives with their arguments, with included files in place."""
    folder = posixpath.dirname(path)
    texts = [iter(tree.text(path).splitlines())]
    left, in_help = _MAX_INCLUDES, False
    while texts:
        line = next(texts[-1], None)
        if line is None:
            texts.pop()
            continue
        key, value = [*line.split(None, 1), "", ""][:2]
        if key.lower() in ("text", "endtext"):  # help text for people is between them
            in_help = key.lower() == "text"
        elif in_help:
            continue
        elif key.lower() != "include":
            yield key.lower(), value.strip()
        elif left and len(texts) < _MAX_INCLUDE_DEPTH:
            left -= 1
            texts.append(iter(tree.text(posixpath.join(folder, value.strip())).splitlines()))
