"""What a boot loader would start: the default entry of GRUB, of BLS files, of syslinux.

GRUB's language is a shell; what is read here are the entries that distributions write. An entry
whose paths depend on variables that only GRUB knows is left out rather than guessed. Of a disc all
entries are given: the default of one may be to go on with the hard disk.
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
# Where ISOLINUX looks (Syslinux 6.03, core/fs/iso9660/iso9660.c, iso_open_config).
_ISOLINUX_CONFIGS = tuple(
    f"{folder}/{name}"
    for folder in ("/boot/isolinux", "/isolinux", "/boot/syslinux", "/syslinux", "")
    for name in ("isolinux.cfg", "syslinux.cfg")
)
# Where the discs of distributions keep that of GRUB.
_ISO_GRUB_CONFIGS = (
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/grub/grub.cfg",
    "/EFI/BOOT/grub.cfg",
)
_BLS_FOLDERS = ("/boot/loader/entries", "/boot/efi/loader/entries", "/loader/entries")
# Deeper ones Syslinux does not open (com32/elflink/ldlinux/readconfig.c, MAX_INCLUDE_NEST_DEPTH);
# how many in all is our own limit.
_MAX_INCLUDE_DEPTH, _MAX_INCLUDES = 16, 64
_MAX_ENTRIES = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """What is started: paths as the system sees them. ``config`` is the file that says so.

    With ``waits`` it is started only when somebody presses a key.
    """

    title: str
    kernel: str
    initrds: tuple[str, ...]
    cmdline: str
    config: str
    waits: bool = False


def default_entry(tree: Tree) -> Entry | None:
    """The entry that starts by default; None where no configuration is understood."""
    for pattern in _GRUB_CONFIGS:
        for path in tree.match(pattern):
            if found := _grub_default(tree, path):
                return found
    for pattern in _SYSLINUX_CONFIGS:
        for path in tree.match(pattern):
            if found := _syslinux_default(tree, path):
                return found
    return _bls_default(tree, "", {})


def iso_entries(tree: Tree) -> Iterator[Entry]:
    """What a disc's boot loaders can start, for each loader its default first.

    ISOLINUX comes before GRUB, which many discs have for UEFI only.
    """
    for path in filter(tree.exists, _ISOLINUX_CONFIGS):
        for label in _preferred(*_syslinux_labels(tree, path))[:_MAX_ENTRIES]:
            yield _syslinux_entry(tree, label, path)
    for path in filter(tree.exists, _ISO_GRUB_CONFIGS):
        if default := _grub_default(tree, path):
            yield default
        for entry, _ in list(_menu_entries(tree.text(path), path))[:_MAX_ENTRIES]:
            yield _placed(tree, entry, path)


def _grub_default(tree: Tree, path: str) -> Entry | None:
    text = tree.text(path)
    env = _grub_environment(tree, path)
    variables = dict(re.findall(r'^\s*set (\w+)="?([^"$\n;}]*)"?\s*$', text, re.MULTILINE))
    variables.update(env)
    wanted = env.get("saved_entry", "") if re.search(r"\$\{?saved_entry", text) else ""
    wanted = env.get("next_entry") or wanted or variables.get("default", "0")
    entries = list(_menu_entries(text, path))
    if re.search(r"^\s*blscfg\b", text, re.MULTILINE) and not entries:
        return _bls_default(tree, wanted, variables)
    chosen = _choose(entries, wanted)
    if chosen is None:
        return None
    # GRUB manual 2.12, "timeout": -1 waits for ever. Set on a condition, it may be another number.
    timeouts = re.findall(r"^\s*set timeout=[\"']?(-?\d+)", text, re.MULTILINE)
    waits = bool(chosen.title) and bool(timeouts) and all(int(value) < 0 for value in timeouts)
    return replace(_placed(tree, chosen, path), waits=waits)


def _grub_environment(tree: Tree, config: str) -> dict[str, str]:
    """The variables of ``grubenv`` beside the configuration."""
    folder = posixpath.dirname(config)
    text = tree.text(f"{folder}/grubenv") or tree.text("/boot/grub2/grubenv")
    rows = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {key: value for key, _, value in rows if value}


@dataclass(slots=True)
class _Open:
    title: str
    identifier: str
    kernel: str = ""
    cmdline: str = ""
    initrds: tuple[str, ...] = ()


def _menu_entries(text: str, path: str) -> Iterator[tuple[_Open, str]]:
    """The entries of a GRUB configuration in order, those of submenus after their own place.

    Commands before the first entry count as one: a configuration need not have a menu.
    """
    current = _Open("", "")
    for line in text.splitlines():
        words = line.strip()
        # Options may come before the title, as --hotkey=i does on Debian's discs.
        start = re.match(r"menuentry\s+(?:--[\w-]+(?:=\S+)?\s+)*(['\"])(.*?)\1(.*)", words)
        if start:
            if current.kernel:
                yield current, path
            identifier = re.search(r"(?:\$menuentry_id_option|--id)\s+['\"]?([^'\"\s{]+)", start[3])
            current = _Open(start[2], identifier[1] if identifier else "")
        elif kernel := re.match(r"linux(?:16|efi)?\s+(\S+)\s*(.*)", words):
            current.kernel, current.cmdline = kernel[1], kernel[2]
        elif initrd := re.match(r"initrd(?:16|efi)?\s+(.+)", words):
            current.initrds = tuple(initrd[1].split())
    if current.kernel:
        yield current, path


def _choose(entries: list[tuple[_Open, str]], wanted: str) -> _Open | None:
    """The entry that ``default`` names by number, title or identifier; the first otherwise."""
    wanted = wanted.split(">")[-1] if wanted.startswith(("gnulinux-advanced", "1>")) else wanted
    for entry, _ in entries:
        if wanted and wanted in (entry.title, entry.identifier):
            return entry
    if wanted.isdigit() and int(wanted) < len(entries):
        return entries[int(wanted)][0]
    return entries[0][0] if entries else None


def _placed(tree: Tree, entry: _Open, config: str) -> Entry:
    """The entry with paths as the system has them: on a /boot of its own they begin there."""
    kernel = re.sub(r"^\([^)]*\)|\$\{?\w+\}?", "", entry.kernel)
    prefix = "" if tree.exists(kernel) else _prefix(tree, kernel)
    initrds = (re.sub(r"^\([^)]*\)|\$\{?\w+\}?", "", name) for name in entry.initrds)
    return Entry(
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


def _bls_default(tree: Tree, wanted: str, variables: dict[str, str]) -> Entry | None:
    """The newest entry of the Boot Loader Specification, or the one that was saved."""
    for folder in _BLS_FOLDERS:
        names = [name for name in tree.names(folder) if name.endswith(".conf")]
        if not names:
            continue
        names.sort(key=_version_key, reverse=True)
        named = [name for name in names if wanted and name.removesuffix(".conf") == wanted]
        regular = [name for name in names if "rescue" not in name]
        for name in (*named, *regular, *names):
            if found := _bls_entry(tree, f"{folder}/{name}", variables):
                return found
    return None


def _version_key(text: str) -> list[tuple[int, int, str]]:
    """Sorts versions as rpm does: numbers by value, after words."""
    parts = re.findall(r"\d+|[a-zA-Z]+", text)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def _bls_entry(tree: Tree, path: str, variables: dict[str, str]) -> Entry | None:
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
    entry = _Open(title, "", values["linux"][0], options, initrds)
    return _placed(tree, entry, path)


def _syslinux_default(tree: Tree, path: str) -> Entry | None:
    """The label that DEFAULT names, or the first (syslinux wiki, "Config")."""
    labels, wanted, _ = _syslinux_labels(tree, path)
    label = labels.get(wanted) or next(iter(labels.values()), None)
    return _syslinux_entry(tree, label, path) if label and label.kernel else None


def _syslinux_entry(tree: Tree, label: _Open, path: str) -> Entry:
    """The label with its paths, which begin in the folder of the configuration."""
    folder = posixpath.dirname(path)
    placed = replace(
        label,
        kernel=posixpath.join(folder, label.kernel),
        initrds=tuple(posixpath.join(folder, name) for name in label.initrds),
    )
    return _placed(tree, placed, path)


def _preferred(labels: dict[str, _Open], wanted: str, marked: str) -> list[_Open]:
    """The labels that start a kernel: the default, that of the menu, then the others in order.

    A program of syslinux is none: menus, chain loaders.
    """
    names = dict.fromkeys([*(name for name in (wanted, marked) if name in labels), *labels])
    rows = (labels[name] for name in names)
    return [row for row in rows if row.kernel and not row.kernel.lower().endswith(".c32")]


def _syslinux_labels(tree: Tree, path: str) -> tuple[dict[str, _Open], str, str]:
    """The labels in their order, the one that DEFAULT names, and the one with MENU DEFAULT."""
    labels: dict[str, _Open] = {}
    wanted, marked, current = "", "", None
    for key, value in _syslinux_lines(tree, path):
        if key == "default":
            wanted = value
        elif key == "label":
            current = labels.setdefault(value, _Open(value, ""))
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
    return labels, wanted, marked


def _syslinux_lines(tree: Tree, path: str) -> Iterator[tuple[str, str]]:
    """Directives and their arguments, those of included files in their place."""
    folder = posixpath.dirname(path)
    texts = [iter(tree.text(path).splitlines())]
    left, in_help = _MAX_INCLUDES, False
    while texts:
        line = next(texts[-1], None)
        if line is None:
            texts.pop()
            continue
        key, value = [*line.split(None, 1), "", ""][:2]
        if key.lower() in ("text", "endtext"):  # between them stands what a person reads
            in_help = key.lower() == "text"
        elif in_help:
            continue
        elif key.lower() != "include":
            yield key.lower(), value.strip()
        elif left and len(texts) < _MAX_INCLUDE_DEPTH:
            left -= 1
            texts.append(iter(tree.text(posixpath.join(folder, value.strip())).splitlines()))
