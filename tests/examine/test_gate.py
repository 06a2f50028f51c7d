"""Every container finding, produced by a real file that a tool has made."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from harness.examine.gate import Gate, gate
from harness.examine.image_report import ImageFacts, examine
from harness.image.source import LocalFile
from harness.provider.profile import load_profile
from tests.image.isos import bios_loader, esp, tree, xorriso

_BIOS = ("-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4")
_EFI = ("-e", "efi.img", "-no-emul-boot")


def gate_of(path: Path) -> Gate:
    with LocalFile(path) as source:
        return gate(source, load_profile("contabo"))


def ids(path: Path) -> list[str]:
    return [row.id for row in gate_of(path).findings]


def examined(path: Path) -> ImageFacts:
    return examine(str(path), load_profile("contabo"), inside=False)


def run(*words: object, cwd: Path | None = None) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, cwd=cwd)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A disk of 4 MiB with a partition table."""
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["sfdisk", "-q", path], input="label: dos\n,,83\n", text=True, check=True)
    with path.open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"some data of the disk " * 10_000)
    return path


def qcow2(raw: Path, *options: str, name: str = "disk.qcow2") -> Path:
    image = raw.with_name(name)
    run("qemu-img", "convert", "-O", "qcow2", *options, raw, image)
    return image


def patch(path: Path, offset: int, content: bytes) -> Path:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)
    return path


# What the provider takes


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


@pytest.mark.parametrize("name", ["image", "image.iso.txt", "image.raw"])
def test_content_decides_not_the_name(raw: Path, name: str) -> None:
    assert gate_of(qcow2(raw, name=name)).format == "qcow2"


def test_a_name_that_promises_the_other_format(raw: Path) -> None:
    assert ids(qcow2(raw, name="disk.iso")) == ["format.name-mismatch"]


# What it does not

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


# QCOW2


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


# Discs


def bootable(tmp_path: Path, *paths: str, options: tuple[str, ...] = _BIOS) -> Path:
    folder = tree(tmp_path / "tree", *(paths or ("readme.txt",)))
    bios_loader(folder)
    return xorriso(tmp_path / "disc.iso", folder, *options)


def test_an_installer_iso_passes(tmp_path: Path) -> None:
    found = gate_of(bootable(tmp_path, "install.amd/vmlinuz"))
    assert (found.format, found.findings) == ("iso", ())
    assert found.content == "Debian installer disc 'ISOIMAGE', starts from BIOS"


def test_a_bootable_iso_without_an_installer(tmp_path: Path) -> None:
    assert ids(bootable(tmp_path)) == ["iso.no-installer"]
    assert ids(Path("/usr/lib/ipxe/ipxe.iso")) == ["iso.no-installer"]
    assert ids(Path("/usr/lib/memtest86+/memtest86+x64.iso")) == ["iso.no-installer"]
    assert ids(Path("/usr/lib/grub-rescue/grub-rescue-cdrom.iso")) == ["iso.no-installer"]


def test_a_live_iso(tmp_path: Path) -> None:
    found = gate_of(bootable(tmp_path, "live/filesystem.squashfs"))
    assert [row.id for row in found.findings] == ["iso.no-installer"]
    assert "live system" in found.findings[0].statement


def test_a_data_iso(tmp_path: Path) -> None:
    iso = xorriso(tmp_path / "disc.iso", tree(tmp_path / "t", "user-data", "meta-data"))
    assert ids(iso) == ["iso.not-bootable"]


def test_a_boot_catalog_that_points_at_zeros(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    (folder / "boot.bin").write_bytes(bytes(2048))
    assert ids(xorriso(tmp_path / "disc.iso", folder, *_BIOS)) == ["iso.not-bootable"]


def test_an_iso_for_uefi_only(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    esp(folder, "x86-64")
    found = gate_of(xorriso(tmp_path / "disc.iso", folder, *_EFI))
    assert [row.id for row in found.findings] == ["firmware.uefi-only"]
    assert found.passes, "a boot may refute it"


@pytest.mark.parametrize(
    ("efi", "expected"),
    [(None, ["firmware.bios-only"]), ("arm64", ["firmware.bios-only"]), ("x86-64", [])],
)
def test_an_iso_under_uefi(tmp_path: Path, efi: str | None, expected: list[str]) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    bios_loader(folder)
    options = _BIOS
    if efi:
        esp(folder, efi)
        options = (*_BIOS, "-eltorito-alt-boot", *_EFI)
    iso = xorriso(tmp_path / "disc.iso", folder, *options)
    with LocalFile(iso) as source:
        found = gate(source, load_profile("contabo").with_firmware("uefi"))
    assert [row.id for row in found.findings] == expected


def test_an_iso_for_another_processor(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "install.a64/vmlinuz")
    esp(folder, "arm64")
    iso = xorriso(tmp_path / "disc.iso", folder, *_EFI)
    assert ids(iso) == ["firmware.uefi-only", "arch.not-x86-64"]


def test_a_windows_iso_is_not_permitted(tmp_path: Path) -> None:
    iso = bootable(tmp_path, "sources/boot.wim", "sources/install.wim")
    assert ids(iso) == ["windows.licence"]


def test_a_truncated_iso(tmp_path: Path) -> None:
    iso = bootable(tmp_path, "install.amd/vmlinuz")
    with iso.open("r+b") as file:
        file.truncate(100_000)
    assert ids(iso) == ["format.truncated"]


def test_a_malformed_iso(tmp_path: Path) -> None:
    iso = patch(bootable(tmp_path, "install.amd/vmlinuz"), 32768 + 128, b"\x30\x30")
    found = gate_of(iso)
    assert found.findings[0].id == "iso.malformed"
    assert "byte 32896" in found.findings[0].statement


@pytest.mark.parametrize("options", [(), ("-c",), ("-c", "-o", "compression_type=zstd")])
def test_an_iso_in_a_disk_image(tmp_path: Path, options: tuple[str, ...]) -> None:
    iso = bootable(tmp_path, "install.amd/vmlinuz")
    image = tmp_path / "disk.qcow2"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, iso, image)
    assert "iso.data-in-disk-image" in ids(image)


def test_a_hybrid_iso_in_a_disk_image(tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    iso = "/usr/lib/ipxe/ipxe.iso"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", iso, image)
    assert "iso.data-in-disk-image" in ids(image)


def test_a_disk_on_which_an_iso_lay_before_is_a_disk(tmp_path: Path) -> None:
    iso, image = bootable(tmp_path), tmp_path / "disk.qcow2"
    with iso.open("r+b") as file:
        file.truncate(8 << 20)
    script = "label: gpt\nstart=2048\n"
    subprocess.run(["sfdisk", "-q", "-w", "never", iso], input=script, text=True, check=True)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", iso, image)
    assert ids(image) == []


def test_a_hybrid_iso_is_no_polyglot(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    bios_loader(folder)
    iso = xorriso(tmp_path / "disc.iso", folder, *_BIOS, "--mbr-force-bootable")
    assert ids(iso) == []


def test_an_iso_with_a_qcow2_in_its_system_area_is_refused(tmp_path: Path, raw: Path) -> None:
    head = qcow2(raw).read_bytes()[:32768]
    iso = patch(bootable(tmp_path, "install.amd/vmlinuz"), 0, head)
    found = gate_of(iso)
    assert found.findings[0].id == "format.polyglot"
    assert not found.passes


# Sizes


def test_limits_of_size(tmp_path: Path) -> None:
    limit, image = 100_000_000_000, tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-f", "qcow2", image, str(limit))
    assert ids(image) == []
    run("qemu-img", "create", "-f", "qcow2", image, str(limit + 512))
    assert ids(image) == ["size.over-limit"]


def test_the_quota_is_a_warning(tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-f", "qcow2", "-o", "preallocation=metadata", image, "26G")
    found = gate_of(image)
    assert [row.id for row in found.findings] == ["size.over-quota"]
    assert found.passes
