"""What is said of a file by the kind of its container."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from harness.checks.container import check_container
from harness.image.container.formats import SIGNATURES, Container, Signature
from harness.provider.profile import load_profile
from tests.examine.gated import examined, gate_of, ids
from tests.image.disk_files import patch, qcow2, run

_ARCHIVES = [row for row in SIGNATURES if row.kind == "archive"]


@pytest.mark.parametrize("archive", _ARCHIVES, ids=lambda row: row.title)
def test_every_archive_has_the_command_that_unpacks_it(archive: Signature) -> None:
    (row,) = check_container(Container((archive,)), "an image", load_profile("contabo"))
    assert row.id == "format.archive"
    assert "'an image'" in row.remedy


def test_a_disk_format_without_a_remedy_is_one_that_qemu_img_converts() -> None:
    said = subprocess.run(["qemu-img", "--help"], capture_output=True, text=True, check=True).stdout
    known = said.rpartition("Supported formats:")[2].split()
    assert {row.format for row in SIGNATURES if row.kind == "disk" and not row.remedy} <= set(known)


@pytest.mark.parametrize(
    "options",
    [
        ("-o", "compat=0.10"),
        ("-o", "compat=1.1"),
        ("-o", "cluster_size=2M"),
        ("-o", "extended_l2=on"),
    ],
    ids=" ".join,
)
def test_a_sound_qcow2_has_no_findings(raw: Path, options: tuple[str, ...]) -> None:
    found = gate_of(qcow2(raw, *options))
    assert (found.format, found.findings) == ("qcow2", ())
    assert found.virtual_size_bytes == 4 << 20
    assert found.passes


_FORMATS = {
    "vmdk": ("vmdk", "VMDK"),
    "vpc": ("vpc", "VHD"),
    "vhdx": ("vhdx", "VHDX"),
    "vdi": ("vdi", "VDI"),
    "qcow": ("qcow", "version 1"),
    "qed": ("qed", "QED"),
    "parallels": ("parallels", "Parallels"),
}


@pytest.mark.parametrize("format_name", _FORMATS)
def test_other_disk_formats_are_named_with_the_command(raw: Path, format_name: str) -> None:
    expected, title = _FORMATS[format_name]
    image = raw.with_name("image.qcow2")
    run("qemu-img", "convert", "-O", format_name, raw, image)
    found = gate_of(image)
    assert found.format == expected
    assert not found.passes
    row = found.findings[0]
    assert row.id == "format.unsupported"
    assert title in row.statement
    # The command is right: it makes what passes.
    words = row.remedy.split()
    words[-1] = str(raw.with_name("converted.qcow2"))
    subprocess.run(words, check=True, capture_output=True)
    assert gate_of(raw.with_name("converted.qcow2")).passes


@pytest.mark.parametrize("subformat", ["monolithicSparse", "monolithicFlat", "streamOptimized"])
def test_vmdk_of_every_kind(raw: Path, subformat: str) -> None:
    image = raw.with_name("image.vmdk")
    run("qemu-img", "convert", "-O", "vmdk", "-o", f"subformat={subformat}", raw, image)
    assert gate_of(image).format == "vmdk"


def test_a_fixed_vhd_ends_in_its_footer(raw: Path) -> None:
    image = raw.with_name("image.vhd")
    run("qemu-img", "convert", "-O", "vpc", "-o", "subformat=fixed", raw, image)
    assert gate_of(image).format == "vpc"


def test_raw_disks(raw: Path, tmp_path: Path) -> None:
    empty = tmp_path / "zeros"
    empty.write_bytes(bytes(1 << 20))
    for path in (raw, empty):
        found = gate_of(path)
        assert (found.format, found.findings[0].id) == ("raw", "format.unsupported")
        assert f"qemu-img convert -p -f raw -O qcow2 {path}" in found.findings[0].remedy


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (("mkfs.ext4", "-q", "-F"), "ext"),
        (("mkfs.vfat",), "raw"),
        (("mkswap",), "unknown"),
    ],
)
def test_bare_file_systems(tmp_path: Path, make: tuple[str, ...], expected: str) -> None:
    path = tmp_path / "fs"
    with path.open("wb") as file:
        file.truncate(8 << 20)
    run(*make, path)
    found = gate_of(path)
    assert found.findings[0].id == "format.unsupported"
    if expected != "unknown":
        assert found.format == expected


_PACKERS = {
    "gzip": "gzip -c disk.raw",
    "bzip2": "bzip2 -c disk.raw",
    "xz": "xz -c disk.raw",
    "lzma": "xz --format=lzma -c disk.raw",
    "zstd": "zstd -q -c disk.raw",
    "lz4": "lz4 -q -c disk.raw",
    "lzop": "lzop -c disk.raw",
    "tar": "tar -c disk.raw",
    "zip": "zip -q - disk.raw",
    "cpio": "echo disk.raw | cpio --quiet -o -H newc",
}


@pytest.mark.parametrize("packer", _PACKERS)
def test_archives_are_named_with_the_command(raw: Path, packer: str) -> None:
    archive = raw.with_name("image.qcow2")
    with archive.open("wb") as file:
        subprocess.run(_PACKERS[packer], shell=True, cwd=raw.parent, stdout=file, check=True)
    found = gate_of(archive)
    assert (found.format, found.findings[0].id) == (packer, "format.archive")
    assert "image.qcow2" in found.findings[0].remedy


def test_an_ova_is_told_from_a_tar(raw: Path) -> None:
    run("qemu-img", "convert", "-O", "vmdk", raw, raw.with_name("box.vmdk"))
    raw.with_name("box.ovf").write_text("<Envelope/>")
    run("tar", "-cf", "box.ova", "box.ovf", "box.vmdk", cwd=raw.parent)
    found = gate_of(raw.with_name("box.ova"))
    assert (found.format, found.findings[0].id) == ("ova", "format.archive")
    assert "qemu-img convert" in found.findings[0].remedy


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (b"", "empty file"),
        (b"hello\n", "text file"),
        (b"<!DOCTYPE html><html>", "web page"),
        (bytes(range(256)), "unknown format"),
    ],
)
def test_files_that_are_no_images(tmp_path: Path, content: bytes, title: str) -> None:
    path = tmp_path / "image.qcow2"
    path.write_bytes(content)
    (found,) = gate_of(path).findings
    assert found.id == "format.unsupported"
    assert title in found.statement


def test_backing_file(raw: Path) -> None:
    image = raw.with_name("top.qcow2")
    run("qemu-img", "create", "-f", "qcow2", "-b", raw, "-F", "raw", image)
    found = gate_of(image)
    assert [row.id for row in found.findings] == ["qcow2.backing-file"]
    assert str(raw) in found.findings[0].statement


def test_data_file(raw: Path) -> None:
    image = raw.with_name("x.qcow2")
    options = f"data_file={raw.with_name('x.data')}"
    run("qemu-img", "create", "-f", "qcow2", "-o", options, image, "4M")
    assert ids(image) == ["qcow2.data-file"]


@pytest.mark.programs
def test_encryption(raw: Path) -> None:
    image = raw.with_name("x.qcow2")
    secret = ("--object", "secret,id=s,data=key")
    # qemu-img first measures its hash, and of a faster one it may see no time pass.
    options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.hash-alg=sha512"
    options += ",encrypt.iter-time=10"
    run("qemu-img", "create", *secret, "-f", "qcow2", "-o", options, image, "4M")
    assert ids(image) == ["qcow2.encrypted"]


def test_internal_snapshots(raw: Path) -> None:
    image = qcow2(raw)
    run("qemu-img", "snapshot", "-c", "one", image)
    assert ids(image) == ["qcow2.snapshots"]
    assert gate_of(image).passes


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
def test_compressed_clusters(raw: Path, compression: str) -> None:
    image = qcow2(raw, "-c", "-o", f"compression_type={compression}")
    assert ids(image) == ["qcow2.compressed"]
    assert examined(image).passes


@pytest.mark.parametrize(
    ("bit", "expected"),
    [(0, "qcow2.dirty"), (1, "qcow2.corrupt"), (9, "qcow2.unknown-feature")],
)
def test_feature_bits(raw: Path, bit: int, expected: str) -> None:
    # No tool sets these on purpose: they are what a crash, or a QEMU of tomorrow, leaves behind.
    image = patch(qcow2(raw), 72, struct.pack(">Q", 1 << bit))
    assert ids(image) == [expected]


def test_truncation(raw: Path) -> None:
    image = qcow2(raw)
    with image.open("r+b") as file:
        file.truncate(image.stat().st_size - 65536)
    assert ids(image) == ["format.truncated"]


def test_a_compressed_image_that_is_cut(raw: Path) -> None:
    image = qcow2(raw, "-c")
    with image.open("r+b") as file:
        file.truncate(image.stat().st_size - 512)
    assert "format.truncated" in ids(image)


@pytest.mark.parametrize(
    ("offset", "content", "said"),
    [
        (20, struct.pack(">I", 40), "cluster_bits is 40"),
        (36, struct.pack(">I", 1 << 30), "larger than QEMU takes"),
        (36, struct.pack(">I", 0), "l1_size is 0"),
        (40, struct.pack(">Q", 12345), "not at a cluster's start"),
        (40, struct.pack(">Q", 1 << 40), "beyond the file's"),
        (48, struct.pack(">Q", 0), "refcount_table_offset is 0"),
        (56, struct.pack(">I", 1 << 20), "larger than QEMU takes"),
        (60, struct.pack(">I", 70_000), "nb_snapshots is 70000"),
        (96, struct.pack(">I", 99), "refcount_order is 99"),
        (100, struct.pack(">I", 7), "header_length is 7"),
    ],
)
def test_absurd_headers_name_the_byte(raw: Path, offset: int, content: bytes, said: str) -> None:
    found = gate_of(patch(qcow2(raw), offset, content))
    assert found.findings[0].id == "qcow2.malformed"
    assert said in " ".join(found.findings[0].evidence)
    assert not found.passes


def test_a_header_alone_is_malformed(raw: Path) -> None:
    image = qcow2(raw)
    image.write_bytes(image.read_bytes()[:50])
    assert ids(image)[0] == "qcow2.malformed"


def test_tables_that_contradict_each_other_are_left_to_qemu_img(raw: Path) -> None:
    image = qcow2(raw)
    # The first entry of the refcount block: the header's own cluster counts as free.
    table = int.from_bytes(image.read_bytes()[48:56], "big")
    block = int.from_bytes(image.read_bytes()[table : table + 8], "big")
    patch(image, block, b"\0\0")
    assert gate_of(image).findings == ()
    found = examined(image)
    assert [row.id for row in found.findings] == ["qcow2.corrupt"]
    assert not found.passes


def test_a_leak_is_no_fault(raw: Path) -> None:
    image = qcow2(raw)
    size = image.stat().st_size
    table = int.from_bytes(image.read_bytes()[48:56], "big")
    block = int.from_bytes(image.read_bytes()[table : table + 8], "big")
    patch(image, block + 2 * (size // 65536), b"\0\1")
    patch(image, size, bytes(65536))
    assert examined(image).findings == ()


def test_without_qemu_img_that_is_said(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = qcow2(raw)
    monkeypatch.setenv("PATH", "/nonexistent")
    found = examined(image)
    assert [row.id for row in found.findings] == ["qcow2.not-checked"]
    assert "not installed" in found.findings[0].statement
    assert found.passes
