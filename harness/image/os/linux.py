"""The Linux system on a disk: its default boot entry, its drivers, the devices that it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.image.fs.tree import Tree
from harness.image.os.bootconfig import BootLoaderEntry, default_entry
from harness.image.os.cloud_init import read_cloud_init
from harness.image.os.initramfs import Initramfs, InitramfsError, read_initramfs
from harness.image.os.kernel import HEAD_BYTES, elf_architecture, payload_fault, read_kernel
from harness.image.os.system import (
    DRIVERS,
    FAMILIES,
    BlacklistedDriver,
    DeviceName,
    DriverPlace,
    LinuxFacts,
)

_DEVICE_NAME = re.compile(r"/dev/(?:[vhsx]d[a-z]|xvd[a-z]|nvme)")
_MODPROBE_FOLDERS = ("/etc/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d", "/run/modprobe.d")


def is_linux_root(tree: Tree) -> bool:
    """Tell whether this is the root of a Linux system, by the files that every Linux needs."""
    has_etc = (
        tree.exists("/etc/os-release") or tree.exists("/etc/fstab") or tree.exists("/etc/passwd")
    )
    inits = (
        "/sbin/init",
        "/usr/lib/systemd/systemd",
        "/lib/systemd/systemd",
        "/etc/inittab",
        "/init",
    )
    return has_etc and any(tree.exists(path) for path in inits)


def has_boot_entry(tree: Tree) -> bool:
    """Tell whether a boot loader has an entry here, as for a system in its initramfs."""
    entry = default_entry(tree)
    return entry is not None and tree.exists(entry.kernel)


def read_linux(tree: Tree, root_type: str, others: Sequence[Tree] = ()) -> LinuxFacts:
    """Read the facts of the system with the files ``tree``, in which its volumes are mounted.

    ``others`` are volumes that are not mounted: a boot loader may have its own.
    """
    entry, files = _find_entry(tree, others)
    image = files.read(entry.kernel) if entry else None
    kernel = read_kernel((image or b"")[:HEAD_BYTES])
    version = kernel.version or _version_in_name(entry)
    initrds = entry.initrds if entry else ()
    missing = tuple(path for path in initrds if not files.exists(path))
    initramfs, fault = read_initrds(files, initrds)
    cmdline = entry.cmdline if entry else ""
    init = _init(tree, cmdline)
    return LinuxFacts(
        name=_os_name(tree),
        tags=_tags(tree),
        architecture=_architecture(tree),
        entry=entry.title if entry else "",
        config=entry.config if entry else "",
        kernel=entry.kernel if entry else "",
        kernel_found=image is not None,
        kernel_architecture=kernel.architecture,
        kernel_version=version,
        kernel_fault=payload_fault(image or b""),
        entry_waits=entry is not None and entry.waits,
        init=init,
        init_is_program=bool(elf_architecture(tree.read(init, 64) or b"")),
        initrds=initrds,
        initrds_missing=missing,
        initramfs_fault=fault,
        cmdline=cmdline,
        root_type=root_type,
        modules=_module_folder(tree, version),
        drivers=driver_places(tree, version, initramfs, unread=bool(fault)),
        blacklisted=tuple(_blacklisted(tree, cmdline, initramfs)),
        device_names=tuple(_device_names(tree, cmdline)),
        mounts_needed=tuple(_mounts_needed(tree, cmdline)),
        serial_console="console=ttyS0" in cmdline,
        cloud_init=read_cloud_init(tree, cmdline),
    )


def _find_entry(tree: Tree, others: Sequence[Tree]) -> tuple[BootLoaderEntry | None, Tree]:
    """The default boot entry, and the tree of its paths."""
    named: tuple[BootLoaderEntry | None, Tree] = (None, tree)
    for candidate in (tree, *others):
        entry = default_entry(candidate)
        if entry is None:
            continue
        for files in (candidate, tree):
            if files.exists(entry.kernel):
                return entry, files
        named = named if named[0] else (entry, candidate)
    return named if named[0] else (_lone_kernel(tree), tree)


def _lone_kernel(tree: Tree) -> BootLoaderEntry | None:
    """The only kernel in /boot, with its initramfs: the fallback without a configuration."""
    kernels = [path for path in tree.match("/boot/vmlinuz*") if "rescue" not in path]
    real = sorted({tree.real_path(path) or path for path in kernels})
    if len(real) != 1:
        return None
    suffix = real[0].rsplit("/", 1)[-1].removeprefix("vmlinuz")
    names = (
        f"initrd.img{suffix}",
        f"initramfs{suffix}.img",
        f"initramfs{suffix}",
        f"initrd{suffix}",
    )
    initrds = tuple(f"/boot/{name}" for name in names if tree.exists(f"/boot/{name}"))[:1]
    return BootLoaderEntry("", real[0], initrds, "", "")


def _version_in_name(entry: BootLoaderEntry | None) -> str:
    name = entry.kernel.rsplit("/", 1)[-1] if entry else ""
    return name.partition("-")[2]


def _os_name(tree: Tree) -> str:
    text = tree.text("/etc/os-release") or tree.text("/usr/lib/os-release")
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.MULTILINE)
    return match[1] if match else "Linux"


# Tools that make an initramfs, by files that only they have; the first match counts.
_INITRAMFS_TOOLS = {
    "dracut": ("/usr/lib/dracut/dracut-init.sh", "/usr/lib/dracut/dracut-functions.sh"),
    "initramfs-tools": ("/usr/share/initramfs-tools/hook-functions", "/usr/sbin/mkinitramfs"),
    "mkinitfs": ("/sbin/mkinitfs", "/usr/sbin/mkinitfs", "/etc/mkinitfs/mkinitfs.conf"),
    "mkinitcpio": ("/usr/bin/mkinitcpio",),
}
_FAMILIES = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse"}


def _tags(tree: Tree) -> tuple[str, ...]:
    """The tool that makes the initramfs and the family of the distribution, if known."""
    tools = (tool for tool, paths in _INITRAMFS_TOOLS.items() if any(map(tree.exists, paths)))
    text = tree.text("/etc/os-release") or tree.text("/usr/lib/os-release")
    words = re.findall(r'^ID(?:_LIKE)?="?([^"\n]*)', text, re.MULTILINE)
    names = [_FAMILIES.get(word, word) for line in words for word in line.split()]
    return (*list(tools)[:1], *[name for name in names if name in FAMILIES][:1])


def _architecture(tree: Tree) -> str:
    for path in ("/bin/sh", "/usr/lib/systemd/systemd", "/bin/busybox", "/sbin/init"):
        if (head := tree.read(path, 64)) and (found := elf_architecture(head)):
            return found
    return ""


# The programs that the kernel and an initramfs try as init, in order (Linux, init/main.c).
_INITS = ("/sbin/init", "/etc/init", "/bin/init", "/bin/sh")


def _init(tree: Tree, cmdline: str) -> str:
    """The first program of the system, init; "" if missing."""
    named = re.search(r"(?:^|\s)init=(\S+)", cmdline)
    paths = (named[1], *_INITS) if named else _INITS
    return next((path for path in paths if tree.exists(path)), "")


def read_initrds(tree: Tree, paths: tuple[str, ...]) -> tuple[Initramfs | None, str]:
    """Read all initramfs of an entry as one, as the kernel does; return it and a fault or ""."""
    names: set[str] = set()
    files: dict[str, bytes] = {}
    for path in paths:
        content = tree.read(path)
        if content is None:
            continue
        try:
            found = read_initramfs(content)
        except InitramfsError as error:
            return None, f"{path}: {error}"
        names |= found.names
        files.update(found.files)
    return (Initramfs(frozenset(names), files), "") if names else (None, "")


def driver_places(
    tree: Tree, version: str, initramfs: Initramfs | None, *, unread: bool
) -> dict[str, DriverPlace]:
    """The place of each driver; "unknown" without a file that could tell it."""
    folder = _module_folder(tree, version) or "/nowhere"
    config = tree.text(f"/boot/config-{version}") or tree.text(f"{folder}/config")
    builtin = _module_names(tree.text(f"{folder}/modules.builtin", 8 << 20).split())
    on_root = _modules_on_root(tree, folder)
    early = _module_names(initramfs.names) if initramfs else set()
    if initramfs:
        for name, content in initramfs.files.items():
            if name.endswith("modules.builtin"):
                builtin |= _module_names(content.decode("utf-8", "replace").split())
    places: dict[str, DriverPlace] = {}
    for driver, option in DRIVERS.items():
        if driver in builtin or f"\n{option}=y\n" in config:
            places[driver] = "built in"
        elif driver in early:
            places[driver] = "initramfs"
        elif unread:
            places[driver] = "unknown"
        elif driver in on_root:
            places[driver] = "root"
        else:
            places[driver] = "missing" if on_root or builtin or config else "unknown"
    return places


def _module_folder(tree: Tree, version: str) -> str:
    """The folder with the modules of this kernel version; "" if missing."""
    folders = (f"{base}/{version}" for base in ("/usr/lib/modules", "/lib/modules"))
    return next((path for path in folders if version and tree.exists(path)), "")


def _modules_on_root(tree: Tree, folder: str) -> set[str]:
    """The drivers that ``modules.dep`` lists and that exist."""
    found = set()
    for line in tree.text(f"{folder}/modules.dep", 16 << 20).splitlines():
        path = line.partition(":")[0]
        name = "".join(_module_names([path]))
        if name not in DRIVERS or tree.exists(f"{folder}/{path}"):
            found.add(name)
    return found


def _module_names(paths: Iterable[str]) -> set[str]:
    """The names of kernel modules in paths: ``ext4`` for ``kernel/fs/ext4/ext4.ko.xz``.

    A small initramfs may have numbers for the load order before the names: ``07-sd_mod.ko``.
    """
    found = (re.search(r"(?:^|/)(?:\d\d-)?([^/]+)\.ko(?:\.\w+)?$", path) for path in paths)
    return {match[1].replace("-", "_") for match in found if match}


def _blacklisted(tree: Tree, cmdline: str, initramfs: Initramfs | None) -> list[BlacklistedDriver]:
    rows = []
    for word in re.findall(
        r"(?:module_blacklist|modprobe\.blacklist|rd\.driver\.blacklist)=(\S+)", cmdline
    ):
        rows += [
            BlacklistedDriver(driver=name, by="the kernel's command line", early=True)
            for name in word.split(",")
        ]
    if initramfs:
        for name, content in initramfs.files.items():
            if "modprobe.d/" in name:
                rows += _modprobe(
                    content.decode("utf-8", "replace"), f"{name} in the initramfs", early=True
                )
    for folder in _MODPROBE_FOLDERS:
        for name in tree.names(folder):
            if name.endswith(".conf"):
                rows += _modprobe(tree.text(f"{folder}/{name}"), f"{folder}/{name}", early=False)
    return [row for row in rows if row.driver in DRIVERS]


def _modprobe(text: str, by: str, *, early: bool) -> list[BlacklistedDriver]:
    """The drivers in ``blacklist`` and ``install … /bin/false`` lines (modprobe.d(5))."""
    found = re.findall(
        r"^\s*(?:blacklist\s+(\S+)|install\s+(\S+)\s+(?:/usr)?/bin/(?:false|true))",
        text,
        re.MULTILINE,
    )
    names = (first or second for first, second in found)
    return [BlacklistedDriver(driver=name.replace("-", "_"), by=by, early=early) for name in names]


def _device_names(tree: Tree, cmdline: str) -> list[DeviceName]:
    """The places that name a disk by its device, which differs on another bus."""
    rows = []
    root = re.search(r"(?:^|\s)root=(\S+)", cmdline)
    if root and _DEVICE_NAME.match(root[1]):
        where = f"root={root[1]} on the kernel's command line"
        rows.append(DeviceName(device=root[1], where=where))
    for number, line in enumerate(tree.text("/etc/fstab").splitlines(), 1):
        words = line.split()
        if len(words) >= 2 and not line.lstrip().startswith("#") and _DEVICE_NAME.match(words[0]):
            nofail = len(words) > 3 and "nofail" in words[3].split(",")
            where = f"/etc/fstab, line {number}: {words[0]} on {words[1]}"
            rows.append(DeviceName(device=words[0], where=where, may_be_missing=nofail))
    return rows


def _mounts_needed(tree: Tree, cmdline: str) -> list[str]:
    """The filesystems that the kernel command line and fstab require, without swap and nofail."""
    rows = re.findall(r"(?:^|\s)root=((?:UUID|LABEL)=\S+)", cmdline)
    for line in tree.text("/etc/fstab").splitlines():
        words = line.split()
        if len(words) < 3 or not re.match(r"(?:UUID|LABEL)=", words[0]) or words[2] == "swap":
            continue
        options = words[3].split(",") if len(words) > 3 else []
        if not {"nofail", "noauto"} & set(options):
            rows.append(words[0])
    return [row.replace('"', "") for row in dict.fromkeys(rows)]
