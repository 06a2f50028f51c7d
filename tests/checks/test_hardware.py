"""The same image at providers whose disks, seeds and formats differ."""

from __future__ import annotations

import gzip
import lzma
import subprocess
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.examine.gate import gate
from harness.image.source import LocalFile
from harness.provider.profile import load_profile
from tests.checks.boot_prediction import said
from tests.image.disks import Linux

pytestmark = pytest.mark.programs

_SCSI = Linux(Path()).early
_BLOCK = (*(name for name in _SCSI if name not in ("virtio_scsi", "sd_mod")), "virtio_blk")
_ALL = (*_SCSI, "virtio_blk", "ahci")


@pytest.fixture
def linux(tmp_path: Path) -> Linux:
    system = Linux(tmp_path)
    system.early = system.on_root = _ALL
    return system


@pytest.mark.parametrize(
    ("provider", "early", "expected"),
    [
        ("contabo", _SCSI, (True, [])),
        ("contabo", _BLOCK, (False, ["linux.virtio-scsi-missing"])),
        ("proxmox", _SCSI, (True, [])),
        ("openstack", _BLOCK, (True, [])),
        ("openstack", _SCSI, (False, ["linux.virtio-blk-missing"])),
        ("digitalocean", _SCSI, (False, ["linux.virtio-blk-missing"])),
        ("libvirt", _BLOCK, (True, [])),
    ],
)
def test_the_driver_of_the_disk_is_that_of_its_bus(
    linux: Linux, provider: str, early: tuple[str, ...], expected: tuple[bool | None, list[str]]
) -> None:
    linux.early = early
    assert said(linux.write(), provider=provider) == expected


@pytest.mark.parametrize(
    ("provider", "missing", "warned"),
    [
        ("contabo", "ata_piix", True),
        ("contabo", "ahci", False),
        ("libvirt", "ahci", True),
        ("libvirt", "ata_piix", False),
        ("digitalocean", "sr_mod", False),
        ("openstack", "sr_mod", True),
    ],
)
def test_the_drivers_of_the_seed_are_those_of_its_drive(
    linux: Linux, provider: str, missing: str, warned: bool
) -> None:
    linux.early = linux.on_root = tuple(name for name in _ALL if name != missing)
    assert ("linux.seed-drive-missing" in said(linux.write(), provider=provider)[1]) is warned


@pytest.mark.parametrize(
    ("provider", "datasources", "warned"),
    [
        ("contabo", "[NoCloud]", False),
        ("contabo", "[ConfigDrive]", True),
        ("openstack", "[ConfigDrive, OpenStack]", False),
        ("openstack", "[NoCloud, None]", True),
    ],
)
def test_the_datasource_is_that_of_the_seeds_form(
    linux: Linux, provider: str, datasources: str, warned: bool
) -> None:
    linux.files["etc/cloud/cloud.cfg.d/90.cfg"] = f"datasource_list: {datasources}\n".encode()
    assert ("linux.datasource-excluded" in said(linux.write(), provider=provider)[1]) is warned


@pytest.mark.parametrize(
    ("provider", "device", "warned"),
    [
        ("contabo", "/dev/sda2", False),
        ("contabo", "/dev/vda2", True),
        ("openstack", "/dev/vda2", False),
        ("openstack", "/dev/sda2", True),
    ],
)
def test_a_disk_is_named_after_its_bus(
    linux: Linux, provider: str, device: str, warned: bool
) -> None:
    linux.cmdline = f"root={device} console=ttyS0"
    assert ("linux.root-device-name" in said(linux.write(), provider=provider)[1]) is warned


def gated(path: Path, provider: str) -> list[tuple[str, str]]:
    with LocalFile(path) as source:
        rows = gate(source, load_profile(provider)).findings
    return [(row.id, row.statement) for row in rows]


@pytest.fixture
def vmdk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.vmdk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", path, "4M"], check=True)
    return path


def test_a_format_that_only_the_provider_takes_is_refused(vmdk: Path) -> None:
    assert [row[0] for row in gated(vmdk, "contabo")] == ["format.unsupported"]
    with pytest.raises(UsageError, match="qemu-img convert") as caught:
        gated(vmdk, "digitalocean")
    assert "which DigitalOcean Droplets takes" in str(caught.value)


def test_an_archive_that_one_provider_unpacks(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2.gz"
    path.write_bytes(gzip.compress(b"QFI\xfb" + bytes(4096)))
    ((found, statement),) = gated(path, "contabo")
    assert (found, "unpacks nothing" in statement) == ("format.archive", True)
    with pytest.raises(UsageError, match="gunzip --keep"):
        gated(path, "digitalocean")


def test_an_archive_that_it_does_not_unpack(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2.xz"
    path.write_bytes(lzma.compress(bytes(64)))
    ((found, statement),) = gated(path, "digitalocean")
    assert found == "format.archive"
    assert "unpacks gzip and bzip2 only" in statement


def test_an_unknown_limit_is_no_limit(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "400G"], check=True)
    assert "size.over-limit" in [row[0] for row in gated(path, "contabo")]
    assert "size.over-limit" not in [row[0] for row in gated(path, "openstack")]
