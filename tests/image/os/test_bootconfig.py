"""Boot loader configurations of distributions."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from harness.image.fs.node import MAX_FILE_BYTES, Kind, Node
from harness.image.fs.tree import Tree
from harness.image.os.bootconfig import BootLoaderEntry, default_entry


@dataclass
class Folder:
    """A node in memory: a folder of nodes, or a file with a text."""

    nodes: dict[str, Folder] = field(default_factory=dict)
    content: str | None = None

    @property
    def kind(self) -> Kind:
        return "folder" if self.content is None else "file"

    @property
    def size_bytes(self) -> int:
        return len(self.content or "")

    def names(self) -> list[str]:
        return list(self.nodes)

    def child(self, name: str) -> Node | None:
        return self.nodes.get(name)

    def read(self, limit_bytes: int = MAX_FILE_BYTES) -> bytes:
        return (self.content or "").encode()[:limit_bytes]

    def target(self) -> str:
        return ""


def system(**files: str) -> Tree:
    """A tree of these files by path."""
    root = Folder()
    for path, text in files.items():
        node = root
        *folders, name = path.strip("/").split("/")
        for folder in folders:
            node = node.nodes.setdefault(folder, Folder())
        node.nodes[name] = Folder(content=text)
    return Tree(root)


def entry_of(**files: str) -> BootLoaderEntry:
    found = default_entry(system(**files))
    assert found
    return found


_DEBIAN = """\
set default="0"
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
        load_video
        linux   /boot/vmlinuz-6.1 root=UUID=1 ro quiet
        initrd  /boot/initrd.img-6.1
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1' {
        menuentry 'Debian GNU/Linux, with Linux 5.10' $menuentry_id_option 'gnulinux-5.10' {
                linux   /boot/vmlinuz-5.10 root=UUID=1 ro
                initrd  /boot/early.img /boot/initrd.img-5.10
        }
}
"""


def test_the_first_entry_is_the_default() -> None:
    found = entry_of(**{"boot/grub/grub.cfg": _DEBIAN, "boot/vmlinuz-6.1": "x"})
    assert found == BootLoaderEntry(
        title="Debian GNU/Linux",
        kernel="/boot/vmlinuz-6.1",
        initrds=("/boot/initrd.img-6.1",),
        cmdline="root=UUID=1 ro quiet",
        config="/boot/grub/grub.cfg",
    )


@pytest.mark.parametrize("default", ["1", "gnulinux-advanced-1>gnulinux-5.10", "gnulinux-5.10"])
def test_the_default_may_be_another_entry(default: str) -> None:
    text = _DEBIAN.replace('set default="0"', f'set default="{default}"')
    found = entry_of(**{"boot/grub/grub.cfg": text, "boot/vmlinuz-5.10": "x"})
    assert found.kernel == "/boot/vmlinuz-5.10"
    assert found.initrds == ("/boot/early.img", "/boot/initrd.img-5.10")


def test_a_saved_entry_is_the_default() -> None:
    text = _DEBIAN.replace('set default="0"', 'set default="${saved_entry}"')
    env = "# GRUB Environment Block\nsaved_entry=gnulinux-5.10\n####"
    found = entry_of(
        **{"boot/grub/grub.cfg": text, "boot/grub/grubenv": env, "boot/vmlinuz-5.10": ""}
    )
    assert found.kernel == "/boot/vmlinuz-5.10"


def test_paths_on_a_separate_boot_volume() -> None:
    text = _DEBIAN.replace("/boot/", "/")
    found = entry_of(**{"boot/grub/grub.cfg": text, "boot/vmlinuz-6.1": "x"})
    assert (found.kernel, found.initrds) == ("/boot/vmlinuz-6.1", ("/boot/initrd.img-6.1",))


def test_a_configuration_without_a_menu_is_read() -> None:
    text = "search --set=root 1\nlinux /boot/vmlinuz console=ttyS0\ninitrd /boot/initrd.img\nboot\n"
    found = entry_of(**{"boot/grub/grub.cfg": text, "boot/vmlinuz": "x"})
    assert (found.title, found.cmdline) == ("", "console=ttyS0")


def test_bls_entries_are_read() -> None:
    files = {
        "boot/grub2/grub.cfg": 'set kernelopts="root=UUID=1 ro"\ninsmod blscfg\nblscfg\n',
        "boot/loader/entries/m-0-rescue.conf": "title R\nlinux /vmlinuz-0-rescue\n",
        "boot/loader/entries/m-5.14.0-9.conf": "title A\nlinux /vmlinuz-5.14.0-9\n",
        "boot/loader/entries/m-5.14.0-70.conf": (
            "title B\nversion 5.14.0-70\nlinux /vmlinuz-5.14.0-70\n"
            "initrd /initramfs-70.img $tuned\noptions $kernelopts console=ttyS0\n"
        ),
        "boot/vmlinuz-5.14.0-70": "x",
    }
    found = entry_of(**files)
    assert found.kernel == "/boot/vmlinuz-5.14.0-70"
    assert found.initrds == ("/boot/initramfs-70.img",)
    assert found.cmdline == "root=UUID=1 ro console=ttyS0"
    files["boot/grub2/grubenv"] = "saved_entry=m-5.14.0-9\n"
    files["boot/grub2/grub.cfg"] += 'set default="${saved_entry}"\n'
    files["boot/vmlinuz-5.14.0-9"] = "x"
    assert entry_of(**files).kernel == "/boot/vmlinuz-5.14.0-9"


def test_syslinux_entries_are_read() -> None:
    text = (
        "TIMEOUT 10\nDEFAULT virt\nLABEL lts\n  LINUX vmlinuz-lts\nLABEL virt\n"
        "  MENU LABEL Linux virt\n  LINUX vmlinuz-virt\n  INITRD initramfs-virt\n"
        "  APPEND root=UUID=1 modules=ext4 quiet\n"
    )
    found = entry_of(**{"boot/extlinux.conf": text, "boot/vmlinuz-virt": "x"})
    assert (found.kernel, found.initrds) == ("/boot/vmlinuz-virt", ("/boot/initramfs-virt",))
    assert found.cmdline == "root=UUID=1 modules=ext4 quiet"


@pytest.mark.parametrize("text", ["", "menuentry 'x' {\n}\n", "\0\0", "menuentry '" * 1000])
def test_an_unsupported_configuration_gives_no_entry(text: str) -> None:
    assert default_entry(system(**{"boot/grub/grub.cfg": text})) is None
