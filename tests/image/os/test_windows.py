"""NTFS volumes with a minimal Windows around real hives, without drivers and with them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.checks.inside import check_inside, predict
from harness.image.os.disk import read_disk
from harness.image.source import LocalFile
from harness.provider.profile import load_profile
from tests.corpus import judges_corpus
from tests.image.windows_folders import CRITICAL, DATABASE, NETKVM, VIOSCSI, hive, service, windows

pytestmark = judges_corpus


def disk(work: Path, system: bytes, registry: str = "", *files: str) -> Path:
    """Make an NTFS volume on a whole disk: the Windows kernel, its registry, and ``files``."""
    root = windows(work / "root", system, registry, *files)
    image = work / "disk.raw"
    with image.open("wb") as file:
        file.truncate(96 << 20)
    subprocess.run(["mkntfs", "-q", "-F", "-f", image], check=True, capture_output=True)
    wim = work / "files.wim"
    for words in (["capture", root, wim, "--compress=none"], ["apply", wim, "1", image]):
        subprocess.run(["wimlib-imagex", *words], check=True, capture_output=True)
    shutil.rmtree(root)
    return image


def prediction_of(image: Path) -> tuple[bool | None, list[str]]:
    with LocalFile(image) as source:
        facts = read_disk(source)
    profile = load_profile("contabo")
    rows = check_inside(facts, profile)
    # mkntfs writes a boot sector that only prints a message; this finding is not tested here.
    rows = [row for row in rows if row.id != "disk.no-bootloader"]
    return predict(facts, rows, profile).will_boot, [row.id for row in rows]


@pytest.mark.parametrize("name", ["SYSTEM.xz", "SYSTEM_WIN_10_1709.xz", "windows-system"])
def test_a_real_windows_without_virtio_has_no_driver(tmp_path: Path, name: str) -> None:
    will_boot, ids = prediction_of(disk(tmp_path, hive(name)))
    assert will_boot is False
    assert ids == ["windows.virtio-scsi-missing", "windows.virtio-net-missing", "windows.licence"]


def test_the_drivers_of_windows_7_are_found(tmp_path: Path) -> None:
    registry = service("vioscsi", 0, VIOSCSI) + CRITICAL.format(device=1004, service="vioscsi")
    registry += service("netkvm", 3, NETKVM) + CRITICAL.format(device=1000, service="netkvm")
    image = disk(tmp_path, hive("SYSTEM.xz"), registry, "vioscsi.sys", "netkvm.sys")
    assert prediction_of(image)[1] == ["windows.licence"]


def test_the_drivers_of_windows_10_are_found(tmp_path: Path) -> None:
    registry = service("vioscsi", 0, VIOSCSI) + DATABASE.format(device=1004)
    registry += service("netkvm", 3, NETKVM) + DATABASE.format(device=1000)
    image = disk(tmp_path, hive("SYSTEM_WIN_10_1709.xz"), registry, "vioscsi.sys", "netkvm.sys")
    assert prediction_of(image)[1] == ["windows.licence"]


@pytest.mark.parametrize(
    ("start", "device", "bound_to", "files"),
    [
        (3, 1004, "vioscsi", ("vioscsi.sys",)),  # not at boot
        (0, 1042, "vioscsi", ("vioscsi.sys",)),  # virtio-blk
        (0, 1004, "viostor", ("vioscsi.sys",)),  # another driver
        (0, 1004, "vioscsi", ()),  # no file
    ],
)
def test_a_partly_installed_driver_does_not_count(
    tmp_path: Path, start: int, device: int, bound_to: str, files: tuple[str, ...]
) -> None:
    registry = service("vioscsi", start, VIOSCSI)
    registry += CRITICAL.format(device=device, service=bound_to)
    image = disk(tmp_path, hive("SYSTEM.xz"), registry, *files)
    assert "windows.virtio-scsi-missing" in prediction_of(image)[1]


@pytest.mark.parametrize("name", ["NotAHive", "corrupted_system_hive.xz"])
def test_a_registry_that_cannot_be_read_predicts_nothing(tmp_path: Path, name: str) -> None:
    will_boot, ids = prediction_of(disk(tmp_path, hive(name)))
    assert (will_boot, ids) == (None, ["windows.licence"])


def test_the_product_is_named(tmp_path: Path) -> None:
    with LocalFile(disk(tmp_path, hive("SYSTEM.xz"))) as source:
        found = read_disk(source).windows
    assert found
    assert found.name == "Microsoft Windows 7 Phony Edition"
    assert found.control_set == "\\ControlSet001"


def test_a_control_set_that_is_not_there_predicts_nothing(tmp_path: Path) -> None:
    registry = '[\\Select]\n"Current"=dword:00000007\n'
    will_boot, ids = prediction_of(disk(tmp_path, hive("SYSTEM.xz"), registry))
    assert (will_boot, ids) == (None, ["windows.licence"])


def test_without_a_current_control_set_the_first_is_read(tmp_path: Path) -> None:
    registry = "[-\\Select]\n"
    with LocalFile(disk(tmp_path, hive("SYSTEM.xz"), registry)) as source:
        found = read_disk(source).windows
    assert found
    assert (found.control_set, found.fault) == ("\\ControlSet001", "")


def test_a_folder_named_windows_is_no_windows(tmp_path: Path) -> None:
    image = disk(tmp_path, b"")
    with LocalFile(image) as source:
        assert read_disk(source).windows
    subprocess.run(["mkntfs", "-q", "-F", "-f", image], check=True, capture_output=True)
    with LocalFile(image) as source:
        assert read_disk(source).windows is None
