"""A disk as a whole: its boot path, its volumes, the system on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.image.disk.bootcode import BiosPath, read_bios_path
from harness.image.disk.partitions import PartitionTable, read_partitions
from harness.image.disk.pe import pe_architecture, pe_is_signed
from harness.image.disk.volumes import Volume, volumes
from harness.image.fs.ext_checksums import ext_damage
from harness.image.fs.node import Node
from harness.image.fs.tree import Tree
from harness.image.os.kernel import HEAD_BYTES
from harness.image.os.linux import has_boot_entry, is_linux_root, read_linux
from harness.image.os.system import DiskFacts, LinuxFacts, VolumeFacts, WindowsFacts
from harness.image.os.windows import is_windows_root, read_windows
from harness.image.source import ImageSource, Memory

_ESP_TYPES = ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "ef")
_MAX_VENDORS = 32
_MAX_LOADERS = 8


def read_disk(disk: ImageSource) -> DiskFacts:
    """Read the facts of a disk. Exceptions of the filesystem readers become rows of ``unread``."""
    table = read_partitions(disk)
    bios = read_bios_path(disk, table)
    unread: list[str] = []
    found = _volumes(disk, table, unread)
    roots: list[tuple[Volume, Node]] = []
    rows = []
    for volume in found:
        fault = ""
        try:
            root = volume.open()
            if root is not None:
                root.names()
                roots.append((volume, root))
            elif volume.filesystem.role == "files":
                fault = f"there is no reader for {volume.type}"
        except Exception as error:  # the libraries raise any exception on hostile bytes
            fault = f"{volume.type} cannot be read: {_brief(error)}"
        if fault:
            unread.append(f"{volume.name}: {fault}")
        rows.append(_volume_facts(volume, fault))
    bios = _with_bootmgr(bios, roots)
    bios = _with_grub_files(bios, roots, complete=not unread)
    linux = _linux(roots, unread)
    windows = _windows(roots, unread)
    loaders = list(_fallback_loaders(roots))
    return DiskFacts(
        table=table.kind,
        empty=_is_empty(disk, rows, bios),
        loader=bios.loader,
        bios_starts=bios.starts,
        bios_evidence=bios.evidence,
        efi_architectures=tuple(sorted({architecture for _, architecture, _ in loaders})),
        efi_others=tuple(_efi_others(roots))[:_MAX_LOADERS],
        efi_unsigned=_unsigned(loaders),
        volumes=tuple(rows),
        encrypted=tuple(
            f"{row.name}: {row.type}" for row in found if row.filesystem.role == "encrypted"
        ),
        windows=windows,
        linux=linux,
        unread=tuple(unread),
    )


def _volumes(disk: ImageSource, table: PartitionTable, unread: list[str]) -> list[Volume]:
    found: list[Volume] = []
    try:
        for volume in volumes(disk, table):
            found.append(volume)  # noqa: PERF402  volumes before a fault are kept
    except Exception as error:
        unread.append(f"LVM cannot be read: {_brief(error)}")
    return found


def _volume_facts(volume: Volume, fault: str) -> VolumeFacts:
    return VolumeFacts(
        name=volume.name,
        type=volume.type,
        size_bytes=volume.source.size_bytes,
        uuid=volume.uuid,
        label=volume.label,
        fault=fault,
        damage=ext_damage(volume.source) if volume.type == "ext4" else "",
    )


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"


def _is_empty(disk: ImageSource, rows: list[VolumeFacts], bios: BiosPath) -> bool:
    """Tell whether the disk is blank: no boot code, and only zeros where a system would be."""
    if bios.loader != "none" or any(row.type not in ("zeros", "") for row in rows):
        return False
    return not any(disk.read_at(0, 1 << 20)) or bool(
        rows and all(row.type == "zeros" for row in rows)
    )


def _linux(roots: list[tuple[Volume, Node]], unread: list[str]) -> LinuxFacts | None:
    """The Linux of the first root filesystem; else the one that a boot loader starts."""
    for is_root in (is_linux_root, has_boot_entry):
        for volume, node in roots:
            try:
                tree = Tree(node)
                if is_root(tree):
                    _mount_others(tree, volume, roots)
                    others = [Tree(other) for row, other in roots if row.name != volume.name]
                    # A system that runs from its initramfs waits for no filesystem.
                    root_type = volume.type if is_root is is_linux_root else ""
                    return read_linux(tree, root_type, others)
            except Exception as error:
                unread.append(f"{volume.name}: {volume.type} cannot be read: {_brief(error)}")
    return None


def _mount_others(tree: Tree, root: Volume, roots: list[tuple[Volume, Node]]) -> None:
    """Mount the volumes of fstab below /boot, or those that look like it without such a row."""
    others = [(volume, node) for volume, node in roots if volume.name != root.name]
    for line in tree.text("/etc/fstab").splitlines():
        words = line.split()
        if len(words) >= 2 and words[1] in ("/boot", "/boot/efi", "/efi"):
            for volume, node in others:
                if _is_named(volume, words[0]):
                    tree.mount(words[1], node)
    if not tree.names("/boot"):
        for _, node in others:
            if any(re.match(r"(vmlinuz|kernel|bzImage)", name) for name in node.names()):
                tree.mount("/boot", node)
    if not tree.names("/boot/efi") and not tree.exists("/boot/EFI"):
        for volume, node in others:
            if volume.type == "vfat" and node.child("EFI") is not None:
                tree.mount("/boot/efi", node)


def _is_named(volume: Volume, spec: str) -> bool:
    key, _, value = spec.partition("=")
    value = value.strip('"')
    if key == "UUID":
        return value.lower() == volume.uuid.lower()
    if key == "LABEL":
        return bool(value) and value == volume.label
    number = re.search(r"(\d+)$", spec)
    return number is not None and volume.name == f"partition {number[1]}"


def _system_partitions(roots: Iterable[tuple[Volume, Node]]) -> Iterator[Tree]:
    """Yield the volumes on which UEFI looks for loaders."""
    for volume, node in roots:
        if volume.type == "vfat" and volume.partition_type in (*_ESP_TYPES, "", None):
            yield Tree(node)


def _efi_others(roots: Iterable[tuple[Volume, Node]]) -> Iterator[str]:
    """Yield paths of loaders outside the removable media path, which only a boot entry starts."""
    for partition in _system_partitions(roots):
        for vendor in partition.names("/EFI")[:_MAX_VENDORS]:
            if vendor.upper() == "BOOT":
                continue
            for folder in (f"/EFI/{vendor}", f"/EFI/{vendor}/Boot"):
                for name in partition.names(folder):
                    if re.match(r"(shim|grub|bootmgfw|systemd-boot)\w*\.efi$", name, re.IGNORECASE):
                        yield f"{folder}/{name}".replace("/", "\\")


def _fallback_loaders(
    roots: Iterable[tuple[Volume, Node]],
) -> Iterator[tuple[str, str, bool | None]]:
    """Yield the loaders at the removable media path: name, processor, and whether it is signed.

    (UEFI Specification 2.10, 3.5.1.1.)
    """
    for folder in _system_partitions(roots):
        for path in folder.names("/EFI/BOOT"):
            if re.match(r"boot\w+\.efi$", path, re.IGNORECASE):
                head = Memory(folder.read(f"/EFI/BOOT/{path}", HEAD_BYTES) or b"")
                if architecture := pe_architecture(head):
                    yield path, architecture, pe_is_signed(head)


def _unsigned(loaders: Iterable[tuple[str, str, bool | None]]) -> tuple[str, ...]:
    return tuple(
        f"\\EFI\\BOOT\\{name}"
        for name, architecture, signed in loaders
        if architecture == "x86-64" and signed is False
    )


def _with_bootmgr(bios: BiosPath, roots: list[tuple[Volume, Node]]) -> BiosPath:
    """Return the boot path, which does not start where the file of a Windows loader is missing."""
    if bios.loader != "windows" or not roots:
        return bios
    names = {name.lower() for _, node in roots for name in node.names()}
    if names & {"bootmgr", "ntldr"}:
        return bios
    return BiosPath("windows", False, f"{bios.evidence}, and no volume holds bootmgr")


def _with_grub_files(
    bios: BiosPath, roots: list[tuple[Volume, Node]], *, complete: bool
) -> BiosPath:
    """Return the boot path, which does not start where GRUB lacks its module ``normal``.

    The module is in the core image or in a file; without it GRUB stops at the rescue prompt
    (GRUB, kern/main.c, grub_load_normal_mode).
    """
    core = bios.grub
    if core is None or "normal" in core.modules:
        return bios
    path = f"{core.folder}/i386-pc/normal.mod"
    if any(Tree(node).exists(path) for _, node in roots):
        return bios
    evidence = f"{bios.evidence}, and its {path} is on no volume"
    return BiosPath("grub", False if complete else None, evidence)


def _windows(roots: Iterable[tuple[Volume, Node]], unread: list[str]) -> WindowsFacts | None:
    """The Windows on the first volume with its kernel and registry."""
    for volume, node in roots:
        if volume.type == "ntfs":
            try:
                tree = Tree(node)
                if is_windows_root(tree):
                    return read_windows(tree, volume.name)
            except Exception as error:
                unread.append(f"{volume.name}: ntfs cannot be read: {_brief(error)}")
    return None
