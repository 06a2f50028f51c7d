"""The Linux that an ISO starts: ISOs around small kernels and initrds of every kind."""

from __future__ import annotations

import gzip
import struct
import subprocess
from pathlib import Path

import pytest

from harness.image.fs.newc import newc_archive
from harness.image.iso.iso_image import IsoSystem, known_systems
from harness.image.os.iso_linux import read_iso_linux
from harness.image.os.system import IsoLinux
from harness.image.source import LocalFile
from tests.image.isos import files, genisoimage, initrd, linux_kernel, xorriso

pytestmark = pytest.mark.programs

KERNEL = linux_kernel()
WHOLE = initrd("virtio_pci", "virtio_scsi", "sd_mod", "virtio_net")
BARE = initrd("virtio_pci", "sd_mod")


def linux_of(path: Path) -> IsoLinux | None:
    with LocalFile(path) as source:
        return read_iso_linux(source)


def linux_on(work: Path, contents: dict[str, bytes]) -> IsoLinux:
    found = linux_of(xorriso(work / "x.iso", files(work / "t", contents)))
    assert found
    return found


# The kernel and the initrd


_ISOLINUX = b"""\
path
include menu.cfg
default vesamenu.c32
prompt 0
"""
_MENU = b"""\
menu title Installer
label local
\tmenu label From the hard disk
\tlocalboot 0x80
label hdt
\tkernel hdt.c32
label memtest
\tkernel /install/memtest
label install
\tmenu label ^Install
\ttext help
   kernel /of/no/use
\tendtext
\tkernel /install/vmlinuz
\tappend vga=788 initrd=/install/initrd.gz --- quiet
label gtk
\tmenu label ^Graphical install
\tmenu default
\tkernel /install/vmlinuz
\tappend vga=788 initrd=/install/gtk/initrd.gz --- quiet
"""


def test_the_default_of_an_isolinux_menu_is_read(tmp_path: Path) -> None:
    contents = {
        "isolinux/isolinux.cfg": _ISOLINUX,
        "isolinux/menu.cfg": _MENU,
        "install/memtest": b"x" * 9000,
        "install/vmlinuz": KERNEL,
        "install/initrd.gz": gzip.compress(BARE),
        "install/gtk/initrd.gz": gzip.compress(WHOLE),
    }
    found = linux_on(tmp_path, contents)
    assert (found.kernel, found.initrds) == ("/install/vmlinuz", ("/install/gtk/initrd.gz",))
    assert found.config == "/isolinux/isolinux.cfg"
    assert (found.kernel_version, found.kernel_architecture) == ("6.1.0-9-amd64", "x86-64")
    assert found.drivers["virtio_scsi"] == found.drivers["sd_mod"] == "initramfs"
    assert found.drivers["ext4"] == "built in"
    assert found.drivers["xfs"] == "missing"
    contents["isolinux/menu.cfg"] = _MENU.replace(b"\tmenu default\n", b"")
    assert linux_on(tmp_path, contents).initrds == ("/install/initrd.gz",)


def test_a_default_that_boots_the_hard_disk_is_skipped(tmp_path: Path) -> None:
    config = b"default harddisk\nlabel harddisk\n  localboot 1\nlabel linux\n"
    config += b"  kernel linux\n  append initrd=initrd splash=silent\n"
    contents = {"boot/isolinux/isolinux.cfg": config}
    contents |= {"boot/isolinux/linux": KERNEL, "boot/isolinux/initrd": WHOLE}
    found = linux_on(tmp_path, contents)
    assert found.kernel == "/boot/isolinux/linux"


def test_a_grub_menu_on_an_iso_is_read(tmp_path: Path) -> None:
    config = b"""\
set default="0"
menuentry --hotkey=m 'Test memory' {
    linux /boot/memtest
}
menuentry --class fedora --hotkey=i "Install" --class os {
    linux ($root)/images/vmlinuz inst.stage2=hd:LABEL=X quiet
    initrd ($root)/images/early.img ($root)/images/initrd.img
}
"""
    contents = {"EFI/BOOT/grub.cfg": config.replace(b"--class fedora ", b"")}
    contents |= {"images/vmlinuz": KERNEL, "images/initrd.img": gzip.compress(WHOLE)}
    contents |= {"boot/memtest": b"x" * 9000, "images/early.img": initrd(builtin=None)}
    found = linux_on(tmp_path, contents)
    assert found.initrds == ("/images/early.img", "/images/initrd.img")
    assert found.drivers["virtio_scsi"] == "initramfs"


def test_names_without_rock_ridge_ignore_case(tmp_path: Path) -> None:
    config = b"default linux\nlabel linux\n  kernel vmlinuz\n  append initrd=initrd.gz\n"
    contents = {"isolinux/isolinux.cfg": config, "isolinux/vmlinuz": KERNEL}
    folder = files(tmp_path / "t", contents | {"isolinux/initrd.gz": gzip.compress(WHOLE)})
    for options in ((), ("-J",), ("-udf",)):
        found = linux_of(genisoimage(tmp_path / "x.iso", folder, *options))
        assert found
        assert found.drivers["virtio_scsi"] == "initramfs"


_LINUX_ROWS = [row for row in known_systems() if row.starts]


@pytest.mark.parametrize("row", _LINUX_ROWS, ids=lambda row: f"{row.family} {row.kind}")
@pytest.mark.parametrize("later", [False, True])
def test_the_kernel_of_each_family_is_found(tmp_path: Path, row: IsoSystem, *, later: bool) -> None:
    """An ISO without a boot configuration; with ``later``, one with a source of more drivers."""
    paths = [*row.any_of[:1], *row.all_of]
    contents = {path.replace("*", "x86_64"): b"x" for path in paths}
    if row.text_in:
        contents[row.text_in.replace("*", "mini-")] = row.text.encode()
    kernel, initrd_path = (path.replace("*", "lts") for path in _names(row))
    contents |= {kernel: KERNEL, initrd_path: BARE}
    wanted = row.later.files[-1].replace("*", "linux") if row.later and row.later.files else ""
    if later and wanted:
        contents[wanted] = b"x"
    found = linux_on(tmp_path, contents)
    assert (found.kernel, found.initrds) == (f"/{kernel}", (f"/{initrd_path}",))
    assert found.problem == ""
    assert row.later
    if row.later.over == "network":
        assert found.later == row.later.what
    elif later:
        assert found.later.startswith(f"{row.later.what} (/")


def _names(row: IsoSystem) -> tuple[str, str]:
    return row.starts[0].kernel, row.starts[0].initrd


def test_every_linux_of_the_table_has_a_driver_source() -> None:
    assert all(row.later for row in _LINUX_ROWS)


def test_a_star_stands_for_the_same_text_in_both_names(tmp_path: Path) -> None:
    contents = {".alpine-release": b"3", "apks/x": b"x", "boot/vmlinuz-lts": KERNEL}
    contents |= {"boot/vmlinuz-virt": KERNEL, "boot/initramfs-virt": gzip.compress(WHOLE)}
    found = linux_on(tmp_path, contents)
    assert found.initrds == ("/boot/initramfs-virt",)
    assert found.kernel == "/boot/vmlinuz-virt"


def test_the_table_is_the_fallback_for_a_configuration_with_missing_files(tmp_path: Path) -> None:
    config = b"label x\n kernel /gone\n append initrd=/gone.gz\n"
    contents = {"install.amd/vmlinuz": KERNEL, "isolinux/isolinux.cfg": config}
    found = linux_on(tmp_path, contents | {"install.amd/initrd.gz": gzip.compress(WHOLE)})
    assert (found.kernel, found.config) == ("/install.amd/vmlinuz", "")


def test_concatenated_archives_are_read(tmp_path: Path) -> None:
    """Microcode and firmware are uncompressed, the other two differ in compression."""
    packed = subprocess.run(["zstd", "-q", "-c"], input=BARE, capture_output=True, check=True)
    more = gzip.compress(initrd("virtio_scsi", builtin=None))
    content = initrd(builtin=None) + bytes(512) + packed.stdout + bytes(4) + more
    contents = {"casper/vmlinuz": KERNEL, "casper/initrd": content}
    found = linux_on(tmp_path, contents | {"casper/install-sources.yaml": b"x"})
    assert found.drivers["virtio_scsi"] == found.drivers["virtio_pci"] == "initramfs"
    assert found.drivers["virtio_net"] == "missing"


def test_without_modules_builtin_no_driver_is_missing(tmp_path: Path) -> None:
    contents = {"linux": KERNEL, "initrd.gz": gzip.compress(initrd("virtio_pci", builtin=None))}
    found = linux_on(tmp_path, contents | {".disk/mini-info": b"d-i"})
    assert (found.drivers["virtio_pci"], found.drivers["virtio_scsi"]) == ("initramfs", "unknown")


# Sources of more drivers


_SMALL = {
    "isolinux/isolinux.cfg": b"label x\n kernel /vmlinuz\n append initrd=/initrd.gz\n",
    "isolinux/isolinux.bin": bytes(range(256)) * 100,
    "isolinux/vesamenu.c32": bytes(9000),
    "vmlinuz": KERNEL + bytes(9000),
    "initrd.gz": BARE,
    "readme.txt": bytes(9000),
    "tiny": bytes(900),
}


def test_an_iso_without_other_files_has_no_driver_source(tmp_path: Path) -> None:
    found = linux_on(tmp_path, _SMALL)
    assert (found.later, found.needed_first) == ("", ())


def test_the_largest_other_file_may_bring_more(tmp_path: Path) -> None:
    more = {"a/b/small.tgz": bytes(5000), "a/large": bytes(9000)}
    found = linux_on(tmp_path, _SMALL | more)
    assert found.later == "/a/large"
    assert found.needed_first == ("sr_mod", "isofs")


def test_an_installer_from_the_network_needs_its_nic_first(tmp_path: Path) -> None:
    contents = {"linux": KERNEL, "initrd.gz": BARE, ".disk/mini-info": b"d-i"}
    assert "virtio_net" in linux_on(tmp_path, contents).needed_first


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bin/anna", "udebs of a mirror"),
        ("usr/sbin/livenetroot", "the system that its initrd fetches"),
        (
            "usr/lib/dracut/hooks/initqueue/online/80-anaconda-netroot.sh",
            "the second stage that its initrd fetches",
        ),
    ],
)
def test_an_initrd_may_fetch_more_drivers(tmp_path: Path, name: str, said: str) -> None:
    """Also on an unknown ISO, such as a netboot image that somebody put on one."""
    content = BARE + newc_archive({name: b"x"})
    found = linux_on(tmp_path, _SMALL | {"initrd.gz": content})
    assert found.later == said
    assert "virtio_net" in found.needed_first
    found = linux_on(tmp_path, _SMALL | {"initrd.gz": content, "large": bytes(9000)})
    assert (found.later, "virtio_net" in found.needed_first) == ("/large", False)


# Unreadable ISOs


def problem_of(work: Path, contents: dict[str, bytes]) -> str:
    known = {"install.amd/vmlinuz": KERNEL, "install.amd/initrd.gz": WHOLE}
    return linux_on(work, known | contents).problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x1f\x8b\x08\0" + b"\xff" * 5000, "cannot be unpacked"),
        (bytes(range(1, 256)) * 20, "/install.amd/initrd.gz: byte 0: packed in an unknown way"),
        (bytes(5000), "no archive is in it"),
        (gzip.compress(WHOLE)[:-200], "/install.amd/initrd.gz: "),
        (b"", "no kernel with an initrd"),
    ],
    ids=["packed garbage", "garbage", "zeros", "cut off", "empty"],
)
def test_a_damaged_initrd_is_a_problem(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in problem_of(tmp_path, {"install.amd/initrd.gz": content})


def test_a_configuration_with_missing_files_is_a_problem(tmp_path: Path) -> None:
    config = b"label x\n kernel /gone\n append initrd=/gone.gz\n"
    contents = {"isolinux/isolinux.cfg": config, "install.amd/vmlinuz": b""}
    said = problem_of(tmp_path, contents)
    assert said == "/isolinux/isolinux.cfg names /gone, which is not on the disc"


def test_a_configuration_that_includes_itself_ends(tmp_path: Path) -> None:
    config = b"include isolinux.cfg\n" * 100
    assert problem_of(tmp_path, {"isolinux/isolinux.cfg": config}) == ""


def test_a_folder_that_contains_itself_is_read_once(tmp_path: Path) -> None:
    folder = files(tmp_path / "t", _SMALL | {"inner/x": b"x"})
    iso = xorriso(tmp_path / "x.iso", folder)
    content = bytearray(iso.read_bytes())
    record = content.index(b"INNER") - 33
    (root,) = struct.unpack_from("<I", content, 32768 + 156 + 2)
    struct.pack_into("<I", content, record + 2, root)
    iso.write_bytes(content)
    found = linux_of(iso)
    assert found
    assert found.later == ""


def test_an_initrd_with_a_huge_stated_size_is_a_problem(tmp_path: Path) -> None:
    folder = files(tmp_path / "t", _SMALL | {".disk/mini-info": b"d-i"})
    iso = xorriso(tmp_path / "x.iso", folder)
    content = bytearray(iso.read_bytes())
    record = content.index(b"INITRD.GZ;1") - 33
    struct.pack_into("<I", content, record + 10, 3 << 30)
    iso.write_bytes(content)
    found = linux_of(iso)
    assert found
    assert "larger than what is read" in found.problem


# ISOs that start no Linux


def test_isos_of_data_and_of_other_systems_have_no_linux(tmp_path: Path) -> None:
    for number, path in enumerate(("readme.txt", "usr/freebsd-dist/MANIFEST")):
        folder = files(tmp_path / str(number), {path: b"x"})
        assert linux_of(xorriso(tmp_path / "x.iso", folder)) is None


@pytest.mark.parametrize(
    "path",
    [
        "/usr/lib/grub-rescue/grub-rescue-cdrom.iso",
        "/usr/lib/ipxe/ipxe.iso",
        "/usr/lib/memtest86+/memtest86+x64.iso",
    ],
)
def test_real_isos_that_start_no_linux(path: str) -> None:
    assert linux_of(Path(path)) is None


def test_the_real_initrd_of_an_installer(tmp_path: Path) -> None:
    """The initrd of debian-installer-12-netboot-amd64, whose disk drivers are in udebs."""
    folders = sorted(Path("/usr/lib/debian-installer").rglob("text/debian-installer/amd64"))
    if not folders:
        pytest.skip("no debian-installer-12-netboot-amd64 on this host")
    contents = {name: (folders[0] / name).read_bytes() for name in ("linux", "initrd.gz")}
    found = linux_on(tmp_path, contents | {".disk/mini-info": b"d-i"})
    assert found.problem == found.kernel_fault == ""
    assert found.drivers["virtio_net"] == "initramfs"
    assert found.drivers["virtio_scsi"] == "missing"
    assert found.later == "udebs of a mirror"
