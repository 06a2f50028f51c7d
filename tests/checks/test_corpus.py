"""Third-party files, with what is right to say of each."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path

import pytest

from harness.examine.image_report import examine
from harness.image.disk.partitions import read_partitions
from harness.image.disk.volumes import volumes
from harness.image.source import LocalFile
from harness.provider.profile import load_profile
from tests.corpus import CORPUS, judges_corpus

pytestmark = judges_corpus

_RIGHT = {
    "backing-chain-1.qcow2": {"qcow2.backing-file"},
    "backing-chain-2.qcow2": {"qcow2.backing-file"},
    "backing-chain-3.qcow2": set(),
    "bios-tables-test.aarch64.iso.qcow2": {"iso.data-in-disk-image", "qcow2.compressed"},
    "bios-tables-test.x86_64.iso.qcow2": {"iso.data-in-disk-image", "qcow2.compressed"},
    "cloud-init.iso": {"iso.not-bootable"},
    "data-file.qcow2": {"qcow2.data-file"},
    "ext2.qcow2": set(),
    "fake-centos65-label.iso": {"iso.no-installer"},
    "fake-no-osinfo.iso": {"iso.not-bootable"},
    "flpnxrtl.img.xz": {"format.unsupported"},
    "gpt.raw.xz": {"format.unsupported"},
    "grub_mbr.raw": {"format.unsupported"},
    "hyperv2012r2-dynamic.vhd": {"format.unsupported"},
    "invalid-qcow-backing-file.img": {"format.unsupported"},
    "invalid-qcow-large-memory.img": {"format.unsupported"},
    "iotest-version3.vmdk": {"format.unsupported"},
    "iso-with-qcow2-in-system.iso.xz": {"format.polyglot"},
    "luks1.raw.xz": {"format.unsupported"},
    "lvm.raw.xz": {"format.unsupported"},
    "malformed.iso": {"iso.malformed", "iso.not-bootable"},
    "ntfs.raw.xz": {"format.unsupported"},
    "test-udf1.iso.xz": {"iso.not-bootable"},
    "windows_volume.qcow2.xz": set(),
    "x.iso": {"format.truncated"},
}


def unpacked(name: str, folder: Path) -> Path:
    packed = CORPUS / "images" / name
    if not name.endswith(".xz"):
        return packed
    path = folder / name.removesuffix(".xz")
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path


@pytest.mark.parametrize("name", _RIGHT)
def test_the_findings_about_each_file_of_the_corpus(tmp_path: Path, name: str) -> None:
    facts = examine(str(unpacked(name, tmp_path)), load_profile("contabo"), inside=False)
    assert {row.id for row in facts.findings} == _RIGHT[name]


def test_every_image_of_the_corpus_is_in_the_table() -> None:
    assert {path.name for path in (CORPUS / "images").iterdir()} == set(_RIGHT)


# What each comes to as a disk. Seen when booted: all but flpnxrtl stop in the firmware.
_PREDICTED = {
    "backing-chain-3.qcow2": (False, "disk.no-bootloader"),
    "ext2.qcow2": (False, "disk.no-bootloader"),
    "flpnxrtl.img.xz": (None, "linux.inside-unread"),
    "gpt.raw.xz": (False, "disk.no-bootloader"),
    "luks1.raw.xz": (False, "disk.encrypted"),
    "lvm.raw.xz": (False, "disk.no-bootloader"),
    "ntfs.raw.xz": (False, "disk.no-bootloader"),
    "windows_volume.qcow2.xz": (False, "disk.no-bootloader"),
}


@pytest.mark.parametrize("name", _PREDICTED)
def test_the_prediction_for_each_disk_of_the_corpus(tmp_path: Path, name: str) -> None:
    image = unpacked(name, tmp_path)
    if image.suffix != ".qcow2":
        raw, image = image, tmp_path / "disk.qcow2"
        words = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image]
        subprocess.run(words, check=True)
    facts = examine(str(image), load_profile("contabo"))
    will_boot, finding_id = _PREDICTED[name]
    assert facts.prediction.will_boot is will_boot
    assert finding_id in {row.id for row in facts.findings}


def test_logical_volumes_are_looked_into(tmp_path: Path) -> None:
    with LocalFile(unpacked("lvm.raw.xz", tmp_path)) as source:
        found = {row.name: row.type for row in volumes(source, read_partitions(source))}
    assert found == {
        "logical volume test_volume_group/test_logical_volume1 in the disk": "ext4",
        "logical volume test_volume_group/test_logical_volume2 in the disk": "zeros",
    }
