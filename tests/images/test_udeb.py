import gzip
import hashlib
import stat
import subprocess
from pathlib import Path

import pytest

from images.cpio import NewcEntry
from images.udeb import (
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

_CONTROL = """\
Package: cdrom-detect
Version: 1.114
Architecture: all
Installer-Menu-Item: 1300
Depends: cdebconf-udeb
Description: Detect CDROM devices
 at length
"""


@pytest.fixture
def udeb(tmp_path: Path) -> Udeb:
    folder = tmp_path / "made"
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "DEBIAN" / "control").write_text(
        _CONTROL.replace("Installer", "Maintainer: x <x@localhost>\nInstaller")
    )
    (folder / "DEBIAN" / "postinst").write_text("#!/bin/sh\n")
    (folder / "DEBIAN" / "postinst").chmod(0o755)
    (folder / "DEBIAN" / "templates").write_text("Template: a/b\n")
    (folder / "lib" / "new").mkdir(parents=True)
    (folder / "lib" / "new" / "script").write_text("x")
    (folder / "lib" / "new" / "link").symlink_to("script")
    (folder / "etc").mkdir()
    (folder / "etc" / "file").write_text("y")
    file = tmp_path / "cdrom-detect_1.114_all.udeb"
    subprocess.run(["dpkg-deb", "-b", folder, file], check=True, capture_output=True)
    return read_udeb(file, "pool/main/c/cdrom-detect_1.114_all.udeb")


def module_udeb(tmp_path: Path) -> Udeb:
    module = tmp_path / "tree" / "lib" / "modules" / "6.1" / "kernel" / "virtio_scsi.ko.xz"
    module.parent.mkdir(parents=True)
    module.write_bytes(b"module")
    extra = (["disk-modules"], "standard")
    return make_module_udeb("scsi-modules", ("6.1", "6.1.9-1"), [module], extra, tmp_path)


def test_a_stanza_of_the_status_file_has_what_the_menu_reads() -> None:
    assert status_of(_CONTROL) == (
        "Package: cdrom-detect\nStatus: install ok unpacked\nVersion: 1.114\n"
        "Depends: cdebconf-udeb\nDescription: Detect CDROM devices\nInstaller-Menu-Item: 1300\n"
    )


def test_packages_leave_a_status_file_and_come_into_it() -> None:
    status = "Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n\n"
    changed = change_status(status, ["a"], [status_of(_CONTROL)])
    assert [fields(text)["Package"] for text in changed.strip().split("\n\n")] == [
        "b",
        "cdrom-detect",
    ]
    assert changed.endswith("\n\n")
    with pytest.raises(KeyError):
        change_status(status, ["c"], [])


def test_unpacked_files_are_where_the_installer_looks(udeb: Udeb, tmp_path: Path) -> None:
    entries = {entry.path: entry for entry in unpack(udeb, tmp_path)}
    assert set(entries) == {
        "var/lib/dpkg/info/cdrom-detect.postinst",
        "var/lib/dpkg/info/cdrom-detect.templates",
        "usr/lib/new/script",
        "usr/lib/new/link",
        "etc/file",
    }
    assert entries["var/lib/dpkg/info/cdrom-detect.postinst"].mode == stat.S_IFREG | 0o755
    assert entries["etc/file"].mode == stat.S_IFREG | 0o644
    assert entries["usr/lib/new/link"] == NewcEntry(
        "usr/lib/new/link", stat.S_IFLNK | 0o777, b"script"
    )


def test_only_folders_that_are_not_there_are_made() -> None:
    entries = [NewcEntry("usr/lib/a/b/c", stat.S_IFREG), NewcEntry("usr/x", stat.S_IFREG)]
    made = folders_for(entries, {"usr", "usr/lib", "lib"})
    assert [entry.path for entry in made] == ["usr/lib/a", "usr/lib/a/b"]
    assert merged_path("lib64/ld.so") == "usr/lib64/ld.so"
    assert merged_path("library/x") == "library/x"


def test_a_package_of_modules_is_one_that_the_installer_takes(tmp_path: Path) -> None:
    made = module_udeb(tmp_path)
    assert made.plain_name == "scsi-modules"
    read = fields(read_udeb(made.file, made.pool).control)
    assert read["Package"] == "scsi-modules-6.1-di"
    assert read["Kernel-Version"] == "6.1"
    assert read["Provides"] == "scsi-modules, disk-modules"
    paths = [entry.path for entry in unpack(made, tmp_path)]
    assert paths == ["usr/lib/modules/6.1/kernel/virtio_scsi.ko.xz"]


def test_the_index_of_an_iso_names_what_is_on_it(udeb: Udeb, tmp_path: Path) -> None:
    iso = tmp_path / "disc"
    made = module_udeb(tmp_path)
    write_repository([made, udeb], "trixie", iso)
    release = iso / "dists" / "trixie"
    index = gzip.decompress(
        (release / "main/debian-installer/binary-amd64/Packages.gz").read_bytes()
    )
    stanzas = [fields(text) for text in index.decode().split("\n\n")]
    assert [stanza["Package"] for stanza in stanzas] == ["cdrom-detect", "scsi-modules-6.1-di"]
    for stanza, each in zip(stanzas, (udeb, made), strict=True):
        content = (iso / stanza["Filename"]).read_bytes()
        assert content == each.file.read_bytes()
        assert int(stanza["Size"]) == len(content)
    assert "main/debian-installer/binary-amd64/Packages.gz\n" in (release / "Release").read_text()
    assert gzip.decompress((release / "main/binary-amd64/Packages.gz").read_bytes()) == b""


def test_an_archive_has_packages_of_the_system_as_well(udeb: Udeb, tmp_path: Path) -> None:
    made = module_udeb(tmp_path)
    write_repository([made], "trixie", tmp_path / "archive", [udeb])
    packed = tmp_path / "archive" / "dists" / "trixie" / "main" / "binary-amd64" / "Packages.gz"
    index = gzip.decompress(packed.read_bytes())
    stanza = fields(index.decode())
    assert stanza["Package"] == "cdrom-detect"
    assert (tmp_path / "archive" / stanza["Filename"]).read_bytes() == udeb.file.read_bytes()
    release = (tmp_path / "archive" / "dists" / "trixie" / "Release").read_text()
    for content, name in ((packed.read_bytes(), "Packages.gz"), (index, "Packages")):
        digest = hashlib.sha256(content).hexdigest()
        assert f" {digest} {len(content)} main/binary-amd64/{name}\n" in release
    # The form of a date that apt takes.
    assert "\nDate: Thu, 01 Jan 2026 00:00:00 GMT\n" in release
