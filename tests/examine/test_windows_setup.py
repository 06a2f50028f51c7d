"""Installation discs of Windows around real hives, without drivers and with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.checks.windows import check_setup
from harness.examine.windows_setup import SetupFacts, inspect_setup
from harness.provider.profile import load_profile
from tests.corpus import judges_corpus
from tests.image.isos import bios_loader, genisoimage, tree, xorriso
from tests.image.windows_folders import DATABASE, NETKVM, VIOSCSI, hive, service, windows
from tests.program import harness
from tests.server import serving

pytestmark = judges_corpus

WINDOWS_10 = "SYSTEM_WIN_10_1709.xz"
DRIVERS = service("vioscsi", 0, VIOSCSI) + DATABASE.format(device=1004)
DRIVERS += service("netkvm", 3, NETKVM) + DATABASE.format(device=1000)
STORE = "Windows/System32/DriverStore/FileRepository"
MISSING = ["windows.virtio-scsi-missing", "windows.virtio-net-missing"]


def wimlib(*words: object) -> None:
    subprocess.run(["wimlib-imagex", *map(str, words)], check=True, capture_output=True)


def boot_wim(wim: Path, *roots: Path, boot: int = 0, compress: str = "none") -> Path:
    """A WIM with an image for each of ``roots``; ``boot`` is the one that it marks."""
    names = ["Microsoft Windows PE (x64)", "Microsoft Windows Setup (x64)"]
    for number, (root, name) in enumerate(zip(roots, names, strict=False), start=1):
        marks = ["--boot"] if number == boot else []
        kind = [f"--compress={compress}"] if number == 1 else []
        wimlib("capture" if number == 1 else "append", root, wim, name, *kind, *marks)
    return wim


def iso(
    work: Path, wim: Path, *, udf: bool = False, others: dict[str, bytes] | None = None
) -> Path:
    """What harness takes for a Windows installation disc, with this boot.wim on it."""
    folder = tree(work / "disc", "bootmgr", "setup.exe", "sources/install.wim")
    shutil.copy(wim, folder / "sources/boot.wim")
    for name, content in (others or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    bios_loader(folder)
    start = ("-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "8", "-V", "CCCOMA_X64FRE")
    if udf:
        hidden = ("-hide", "sources", "-hide", "setup.exe", "-hide", "bootmgr")
        return genisoimage(work / "disc.iso", folder, "-udf", *start, *hidden)
    return xorriso(work / "disc.iso", folder, *start)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Windows without a driver of virtio."""
    return windows(tmp_path_factory.mktemp("bare") / "root", hive(WINDOWS_10))


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Windows with vioscsi and netkvm."""
    root = tmp_path_factory.mktemp("driven") / "root"
    return windows(root, hive(WINDOWS_10), DRIVERS, "vioscsi.sys", "netkvm.sys")


@pytest.fixture(scope="module")
def bare_wim(tmp_path_factory: pytest.TempPathFactory, bare: Path) -> Path:
    """A boot.wim as Microsoft makes them: two images, the second marked, and no virtio driver."""
    wim = tmp_path_factory.mktemp("wim") / "boot.wim"
    return boot_wim(wim, bare, bare, boot=2, compress="LZX")


@pytest.fixture(scope="module")
def bare_iso(tmp_path_factory: pytest.TempPathFactory, bare_wim: Path) -> Path:
    """A disc around that."""
    return iso(tmp_path_factory.mktemp("disc"), bare_wim, udf=True)


def checked(image: object, *words: object, **env: str) -> tuple[int, dict[str, Any]]:
    done = harness("check", image, "--json", *words, env=env or None)
    return done.returncode, json.loads(done.stdout)


def ids(result: dict[str, Any]) -> list[str]:
    return [row["id"] for row in result["findings"]]


def inside(facts: SetupFacts) -> list[str]:
    assert facts.windows, facts.problem
    return [row.id for row in check_setup(facts.windows, "The installer", load_profile("contabo"))]


def test_an_iso_without_drivers(bare_iso: Path) -> None:
    status, result = checked(bare_iso)
    assert (status, result["outcome"]) == (1, "fail")
    assert result["cause"] == "windows.virtio-scsi-missing"
    assert sorted(ids(result)) == sorted([*MISSING, "windows.licence"])
    disk = next(row for row in result["findings"] if row["id"] == MISSING[0])
    assert "will show no disk to install to" in disk["statement"]
    assert disk["evidence"][0] == "boot.wim, image 2 of 2, Microsoft Windows Setup (x64)"
    assert "Services\\vioscsi: no service" in disk["evidence"]
    assert "boot.wim" in disk["remedy"]
    rows = {row["topic"]: row["statement"] for row in result["inside"]}
    assert rows["boot path"].startswith("El Torito entry for BIOS at byte ")
    assert "image 2 of 2" in rows["installer"]
    assert "no service" in rows["disk"]
    assert "netkvm" in rows["network"]
    assert result["prediction"]["will_boot"] is None
    assert harness("check", bare_iso).returncode == 1


@pytest.mark.parametrize("udf", [False, True])
def test_an_iso_with_drivers_in_its_second_image(
    tmp_path: Path, bare: Path, driven: Path, *, udf: bool
) -> None:
    wim = boot_wim(tmp_path / "boot.wim", bare, driven)
    status, result = checked(iso(tmp_path, wim, udf=udf))
    assert (status, ids(result)) == (0, ["windows.licence"])
    rows = {row["topic"]: row["statement"] for row in result["inside"]}
    assert "Services\\vioscsi: Start = 0" in rows["disk"]
    assert "DEV_1004" in rows["disk"]


def test_drivers_in_windows_pe_do_not_help_setup(tmp_path: Path, bare: Path, driven: Path) -> None:
    wim = boot_wim(tmp_path / "boot.wim", driven, bare)
    assert inside(inspect_setup(iso(tmp_path, wim))) == MISSING


def test_the_only_image_is_what_starts(tmp_path: Path, driven: Path) -> None:
    facts = inspect_setup(iso(tmp_path, boot_wim(tmp_path / "boot.wim", driven)))
    assert facts.windows
    assert facts.windows.volume == "image 1 of 1, Microsoft Windows PE (x64)"
    assert inside(facts) == []


def test_the_image_that_is_marked_starts(tmp_path: Path, bare: Path, driven: Path) -> None:
    wim = boot_wim(tmp_path / "boot.wim", driven, bare, boot=1)
    assert inside(inspect_setup(iso(tmp_path, wim))) == []


@pytest.mark.parametrize(
    ("registry", "files", "missing"),
    [
        (service("vioscsi", 0, VIOSCSI), ("vioscsi.sys",), True),  # bound to nothing
        (service("vioscsi", 3, VIOSCSI) + DATABASE.format(device=1004), ("vioscsi.sys",), True),
        (service("vioscsi", 0, VIOSCSI) + DATABASE.format(device=1004), (), True),  # no file
        (service("vioscsi", 0, VIOSCSI) + DATABASE.format(device=1042), ("vioscsi.sys",), True),
        (service("vioscsi", 0, VIOSCSI) + DATABASE.format(device=1004), ("VioSCSI.SYS",), False),
    ],
)
def test_a_partly_installed_driver_counts_as_missing(
    tmp_path: Path, registry: str, files: tuple[str, ...], *, missing: bool
) -> None:
    root = windows(tmp_path / "root", hive(WINDOWS_10), registry, *files)
    found = inside(inspect_setup(iso(tmp_path, boot_wim(tmp_path / "boot.wim", root))))
    assert ("windows.virtio-scsi-missing" in found) is missing


def test_drivers_that_wait_in_the_driver_store(tmp_path: Path) -> None:
    """As dism leaves what it does not install at once."""
    registry = DATABASE.format(device=1004) + DATABASE.format(device=1000)
    root = windows(tmp_path / "root", hive(WINDOWS_10), registry)
    for name in ("vioscsi", "netkvm"):
        folder = root / STORE / f"{name}.inf_amd64_0123456789abcdef"
        folder.mkdir(parents=True)
        (folder / f"{name}.sys").write_bytes(b"MZ")
    facts = inspect_setup(iso(tmp_path, boot_wim(tmp_path / "boot.wim", root)))
    assert inside(facts) == []
    assert facts.windows
    assert facts.windows.nic
    assert facts.windows.nic.staged.endswith("/netkvm.inf_amd64_0123456789abcdef/netkvm.sys")


def test_windows_pe_alone(tmp_path: Path, bare: Path) -> None:
    image = iso(tmp_path, boot_wim(tmp_path / "boot.wim", bare))
    (tmp_path / "disc/sources/install.wim").unlink()
    start = ("-b", "boot.bin", "-no-emul-boot")
    _, result = checked(xorriso(image, tmp_path / "disc", *start))
    disk = next(row for row in result["findings"] if row["id"] == MISSING[0])
    assert disk["statement"].startswith("The Windows PE on this disc has no driver")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("$WinPEDriver$/vioscsi/vioscsi.inf", b"x"),
        (
            "Autounattend.xml",
            b'<component name="Microsoft-Windows-PnpCustomizationsWinPE">',
        ),
        ("autounattend.xml", "\ufeff<x PnpCustomizationsWinPE>".encode("utf-16")),
    ],
)
def test_drivers_that_setup_loads_itself_are_not_judged(
    tmp_path: Path, bare: Path, name: str, content: bytes
) -> None:
    wim = boot_wim(tmp_path / "boot.wim", bare, bare)
    status, result = checked(iso(tmp_path, wim, others={name: content}))
    assert (status, ids(result)) == (0, ["windows.licence", "windows.inside-unread"])
    assert name.split("/")[0] in result["findings"][1]["statement"]


def test_answers_without_drivers_change_nothing(tmp_path: Path, bare: Path) -> None:
    wim = boot_wim(tmp_path / "boot.wim", bare)
    facts = inspect_setup(iso(tmp_path, wim, others={"autounattend.xml": b"<unattend/>"}))
    assert (facts.driver_sources, inside(facts)) == ((), MISSING)


# What cannot be read is said, and costs nothing else


def unread(image: Path, **env: str) -> dict[str, Any]:
    """The finding about what was not looked at; the disc passes all the same."""
    status, result = checked(image, **env)
    assert (status, ids(result)) == (0, ["windows.licence", "windows.inside-unread"])
    assert result["prediction"]["will_boot"] is None
    assert result["prediction"]["unknown"]
    return dict(result["findings"][1])


def test_without_wimlib(tmp_path: Path, bare_iso: Path) -> None:
    for name in ("prlimit", "setpriv"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    row = unread(bare_iso, PATH=str(tmp_path))
    assert "wimlib-imagex is not installed" in row["statement"]
    assert "wimtools" in row["remedy"]
    assert "wimtools" in row["evidence"][0]


def test_without_room_for_a_copy(tmp_path: Path, bare_iso: Path) -> None:
    row = unread(bare_iso, TMPDIR=str(tmp_path / "nowhere"))
    assert "nowhere" in row["statement"]


def test_nothing_is_left_behind(tmp_path: Path, bare_iso: Path) -> None:
    checked(bare_iso, TMPDIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_no_inside_does_without(bare_iso: Path) -> None:
    status, result = checked(bare_iso, "--no-inside")
    assert (status, ids(result), result["inside"]) == (0, ["windows.licence"], [])


def test_a_link_is_not_fetched_for_it(bare_iso: Path) -> None:
    with serving({"disc.iso": bare_iso.read_bytes()}) as server:
        status, result = checked(server.url("disc.iso"))
    unread_rows = [row for row in result["findings"] if row["id"] == "windows.inside-unread"]
    assert (status, len(unread_rows)) == (0, 1)
    assert "of a link" in unread_rows[0]["statement"]
    assert result["image"]["bytes_read"] < 1_000_000
    assert result["inside"][0]["topic"] == "boot path"


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _without_xml(content: bytes) -> bytes:
    # The header's place of the XML data: offset and size that lead nowhere.
    return content[:0x48] + b"\xff" * 24 + content[0x60:]


def _huge_claims(content: bytes) -> bytes:
    # The number of images, and the size of the lookup table (WIM header: 0x2c, 0x30).
    return content[:0x2C] + b"\xff\xff\xff\x7f" + b"\xff\xff\xff\xff\xff\xff\x7f" + content[0x37:]


def _noise_inside(content: bytes) -> bytes:
    middle = len(content) // 4
    return content[:middle] + os.urandom(middle) + content[2 * middle :]


@pytest.mark.parametrize(
    "damage", [_truncated, _without_xml, _huge_claims, _noise_inside, lambda _: os.urandom(500_000)]
)
def test_a_damaged_wim_costs_a_finding(tmp_path: Path, bare_wim: Path, damage: Any) -> None:
    wim = tmp_path / "boot.wim"
    wim.write_bytes(damage(bare_wim.read_bytes()))
    row = unread(iso(tmp_path, wim))
    assert "The drivers on the disc were not looked at" in row["statement"]


def test_an_empty_wim(tmp_path: Path) -> None:
    (tmp_path / "boot.wim").touch()
    assert "of the 0 bytes" in unread(iso(tmp_path, tmp_path / "boot.wim"))["statement"]


@pytest.mark.parametrize("name", ["NotAHive", "corrupted_system_hive.xz"])
def test_a_registry_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    root = windows(tmp_path / "root", hive(name))
    row = unread(iso(tmp_path, boot_wim(tmp_path / "boot.wim", root)))
    assert "/config/SYSTEM" in row["statement"]


def test_an_image_without_windows(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", "readme.txt")
    row = unread(iso(tmp_path, boot_wim(tmp_path / "boot.wim", root)))
    assert "image 1 of 1" in row["statement"]


def test_a_wim_that_says_to_be_larger_than_is_copied(tmp_path: Path, bare: Path) -> None:
    """Its directory record claims 3 GiB: the same bytes as the rest of the disc, and no more."""
    image = iso(tmp_path, boot_wim(tmp_path / "boot.wim", bare))
    content = bytearray(image.read_bytes())
    at = content.index(b"BOOT.WIM;1") - 33
    content[at + 10 : at + 18] = (3 << 30).to_bytes(4, "little") + (3 << 30).to_bytes(4, "big")
    image.write_bytes(content)
    assert "more than is looked at" in inspect_setup(image).problem
    content[at + 10 : at + 18] = (1 << 30).to_bytes(4, "little") + (1 << 30).to_bytes(4, "big")
    image.write_bytes(content)
    assert "could be found" in inspect_setup(image).problem
