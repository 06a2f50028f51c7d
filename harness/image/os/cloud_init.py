"""The setup of cloud-init in an image, or of a replacement for it.

After cloud-init's own sources: tools/ds-identify, systemd/cloud-init-generator,
cloudinit/settings.py.
"""

from __future__ import annotations

import re

from harness.image.fs.tree import Tree
from harness.image.os.system import CloudInit

_STAND_INS = {
    "nuageinit": ("/usr/libexec/nuageinit",),
    "Ignition": ("/usr/lib/dracut/modules.d/30ignition", "/usr/bin/ignition"),
    "cloudbase-init": ("/Program Files/Cloudbase Solutions/Cloudbase-Init",),
    "tiny-cloud": ("/usr/lib/tiny-cloud", "/lib/tiny-cloud"),
    "Talos": ("/usr/local/etc/talos", "/usr/bin/talosctl"),
}
_PROGRAMS = ("/usr/bin/cloud-init", "/usr/local/bin/cloud-init", "/bin/cloud-init")
_NETWORK_DISABLED = re.compile(
    r"^\s*network:\s*(?:\{\s*config:\s*disabled|\n\s+config:\s*disabled)", re.MULTILINE
)
_UNITS = (
    "/etc/systemd/system/*.wants/cloud-init*.service",
    "/usr/lib/systemd/system-generators/cloud-init-generator",
    "/lib/systemd/system-generators/cloud-init-generator",
    "/etc/runlevels/*/cloud-init*",
    "/etc/rc.d/cloud*",
)


def read_cloud_init(tree: Tree, cmdline: str) -> CloudInit:
    """Read the setup of cloud-init in the system with the files ``tree``."""
    configs = ["/etc/cloud/cloud.cfg", *tree.match("/etc/cloud/cloud.cfg.d/*.cfg")]
    datasources, where = None, ""
    network_disabled = ""
    for path in configs:  # a later file overrides an earlier one
        text = tree.text(path)
        if (found := _datasource_list(text)) is not None:
            datasources, where = found, path
        if _NETWORK_DISABLED.search(text):
            network_disabled = path
    disabled = "/etc/cloud/cloud-init.disabled"
    disabled_by = disabled if tree.exists(disabled) else ""
    if re.search(r"\bcloud-init=disabled\b", cmdline):
        disabled_by = "the kernel's command line"
    if "network-config=disabled" in cmdline:
        network_disabled = "the kernel's command line"
    program = next((path for path in _PROGRAMS if tree.exists(path)), "")
    starters = (path for pattern in _UNITS for path in tree.match(pattern))
    started_by = next(starters, "") if program else ""
    return CloudInit(
        installed=bool(program),
        program=program,
        enabled=bool(started_by),
        started_by=started_by,
        datasources=datasources,
        datasources_in=where,
        disabled_by=disabled_by,
        network_disabled_by=network_disabled,
        used_instance=_used_instance(tree),
        stand_in=next(
            (name for name, paths in _STAND_INS.items() if any(map(tree.exists, paths))), ""
        ),
    )


def _datasource_list(text: str) -> tuple[str, ...] | None:
    """The value of ``datasource_list``, as a YAML flow or block sequence."""
    match = re.search(r"^datasource_list:[ \t]*\[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    if match:
        return tuple(re.findall(r"\w+", match[1]))
    match = re.search(r"^datasource_list:[ \t]*\n((?:\s*-\s*\w+[ \t]*\n?)+)", text, re.MULTILINE)
    return tuple(re.findall(r"-\s*(\w+)", match[1])) if match else None


def _used_instance(tree: Tree) -> str:
    """The id of the instance that the image has already run as, "" for a fresh image."""
    if tree.exists("/var/lib/cloud/instance"):
        return tree.text("/var/lib/cloud/data/instance-id").strip() or "unknown"
    return ""
