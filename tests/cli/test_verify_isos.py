"""ISOs on real machines: how they start, the answers to their prompts, and the verdict."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from images.build import build
from tests.corpus import CORPUS, needs_corpus
from tests.image.isos import files, xorriso
from tests.processes import wait_for
from tests.program import HARNESS, ProgramRun, is_whole

Verify = Callable[..., ProgramRun]

pytestmark = pytest.mark.boot

ASK = Path(__file__).parent / "ask.asm"
IPXE = Path("/usr/lib/ipxe/ipxe.iso")
GRUB_RESCUE = Path("/usr/lib/grub-rescue/grub-rescue-cdrom.iso")
MEMTEST = Path("/usr/lib/memtest86+/memtest86+x64.iso")


def observed(ran: ProgramRun, channel: str, kind: str) -> list[dict[str, Any]]:
    return [row for row in ran.evidence if (row["channel"], row["kind"]) == (channel, kind)]


def ids(ran: ProgramRun) -> set[str]:
    return {row["id"] for row in ran.result["findings"]}


# ISOs without an installer


def test_ipxe_asks_for_an_address_and_is_no_installer(verify: Verify) -> None:
    ran = verify(IPXE)
    assert ran.brief() == ("inconclusive", "network", None)
    assert ran.status == 3
    frames = {row["what"] for row in observed(ran, "network", "frame")}
    assert {"dhcp-discover", "dhcp-request"} <= frames
    assert "iso.no-installer" in ids(ran)
    assert is_whole(ran)


@pytest.mark.slow
def test_a_rescue_iso_finds_nothing_on_an_empty_disk(verify: Verify) -> None:
    ran = verify(GRUB_RESCUE)
    assert ran.brief() == ("inconclusive", "bootloader", None)
    assert "iso.no-installer" in ids(ran)
    assert is_whole(ran)


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_a_memory_test_runs_and_is_no_installer(verify: Verify, firmware: str) -> None:
    ran = verify(MEMTEST, "--firmware", firmware)
    assert (ran.result["outcome"], ran.result["cause"]) == ("inconclusive", None)
    assert "iso.no-installer" in ids(ran)
    assert is_whole(ran)


# ISOs that do not start


@pytest.mark.corpus
@needs_corpus
def test_loader_without_kernel_fails(verify: Verify) -> None:
    ran = verify(CORPUS / "images" / "fake-centos65-label.iso")
    assert (ran.result["outcome"], ran.result["stage"]) == ("fail", "bootloader")
    assert ran.result["cause"] == "boot.loader-failed"
    assert is_whole(ran)


# Questions


def asking(folder: Path, question: str) -> Path:
    """Make an ISO whose boot sector asks ``question`` and waits; its files are those of Debian."""
    tree = files(folder / "tree", {"install.amd/vmlinuz": b"none"})
    code = tree / "ask.bin"
    defines = [f"-DQUESTION={question!r}"]
    subprocess.run(["nasm", "-f", "bin", *defines, "-o", code, ASK], check=True)
    boot = ("-b", "ask.bin", "-no-emul-boot", "-boot-load-size", "4")
    return xorriso(folder / "ask.iso", tree, *boot)


def test_a_menu_that_is_known_is_answered_once_with_its_default(
    verify: Verify, tmp_path: Path
) -> None:
    iso = asking(tmp_path, "Press ENTER to boot or TAB to edit a menu entry")
    ran = verify(iso, "--silence", "12")
    assert ran.brief() == ("fail", "bootloader", "installer.not-reached")
    (key,) = observed(ran, "machine", "key")
    assert (key["prompt"], key["place"], key["typed"]) == ("isolinux.menu", "screen", ["ret"])
    last = observed(ran, "screen", "text")[-1]["lines"]
    assert "One key was pressed." in last
    assert "And one more." not in last
    assert is_whole(ran)


def test_a_question_that_does_not_wait_is_answered_at_once(verify: Verify, tmp_path: Path) -> None:
    ran = verify(asking(tmp_path, "Press any key to boot from CD or DVD....."), "--silence", "6")
    (key,) = observed(ran, "machine", "key")
    assert key["prompt"] == "windows.press-any-key"
    asked = observed(ran, "screen", "text")[0]
    assert "Press any key" in " ".join(asked["lines"])
    assert not [row for row in observed(ran, "clock", "quiet") if row["t_s"] < key["t_s"]]


def test_nothing_is_typed_to_a_question_that_is_not_known(verify: Verify, tmp_path: Path) -> None:
    ran = verify(asking(tmp_path, "Erase the disk? (y/n)"), "--silence", "6")
    assert observed(ran, "machine", "key") == []
    last = observed(ran, "screen", "text")[-1]["lines"]
    assert "One key was pressed." not in last
    cause = next(row for row in ran.result["findings"] if row["id"] == ran.result["cause"])
    assert "Erase the disk? (y/n)" in cause["evidence"]


def test_a_menu_on_the_serial_line_is_answered_there(verify: Verify, tmp_path: Path) -> None:
    menu = (
        "serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\n"
        "set timeout=-1\nmenuentry 'Install' {\n  echo starting\n  halt\n}\n"
    )
    tree = files(
        tmp_path / "tree", {"boot/grub/grub.cfg": menu.encode(), "install.amd/vmlinuz": b"none"}
    )
    iso = tmp_path / "grub.iso"
    subprocess.run(["grub-mkrescue", "-o", iso, tree], check=True, capture_output=True)
    ran = verify(iso, "--no-counterfactual")
    (key,) = observed(ran, "machine", "key")
    assert (key["prompt"], key["place"], key["typed"]) == ("grub.menu", "serial", "\r")
    assert ran.brief() == ("fail", "bootloader", "boot.powered-off")


# Installers


def test_an_installer_passes_with_its_disk_and_its_nic(verify: Verify) -> None:
    ran = verify(build("tiny-installer"))
    assert ran.brief() == ("pass", "network", None)
    assert list(ran.result["timings_s"])[:6] == [
        "check",
        "power-on",
        "firmware",
        "bootloader",
        "kernel",
        "installer",
    ]
    assert is_whole(ran)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lacks", "stage", "cause"),
    [
        ("virtio-scsi", "network", "installer.disk-unseen"),
        ("virtio-net", "installer", "network.silent"),
    ],
)
def test_installer_without_a_driver_fails(
    verify: Verify, lacks: str, stage: str, cause: str
) -> None:
    ran = verify(build(f"tiny-installer-no-{lacks}"))
    assert ran.brief() == ("fail", stage, cause)
    assert f"linux.{lacks}-missing" in ids(ran)
    # Of the disks it has the driver of another one; of the NICs of none.
    second = ran.result["counterfactual"]
    if lacks == "virtio-scsi":
        assert second["outcome"] == "pass"
        assert "with an IDE disk, not with virtio-scsi" in second["statement"]
    else:
        assert second is None
    assert is_whole(ran)


# Installations


def test_an_installation_is_run_to_its_end_and_what_it_installed_is_booted(verify: Verify) -> None:
    iso = build("tiny-installer")
    before = iso.stat().st_mtime_ns
    ran = verify(iso, "--install")
    assert ran.brief() == ("pass", "rebooted", None)
    timings_s = ran.result["timings_s"]
    order = ("installer", "network", "installed", "rebooted")
    assert sorted(order, key=timings_s.__getitem__) == list(order)
    parts = [row["reaches"] for row in observed(ran, "part", "result")]
    assert parts == ["installed", "rebooted"]
    for folder in ("installation", "installed"):
        assert (ran.run_dir / folder / "serial.log").stat().st_size
        assert json.loads((ran.run_dir / folder / "result.json").read_text())["outcome"] == "pass"
    assert iso.stat().st_mtime_ns == before
    assert is_whole(ran)


@pytest.mark.parametrize(
    ("answer", "stage", "cause", "said"),
    [
        (
            "tiny/fail boolean true",
            "network",
            "installer.failed",
            "Failed to partition the selected disk",
        ),
        (
            "tiny/blank boolean true",
            "installed",
            "boot.no-bootable-device",
            "The firmware found nothing on the disk",
        ),
        (
            "tiny/stop boolean true",
            "network",
            "installer.failed",
            "The installation stopped before its end",
        ),
    ],
)
def test_failed_installation_has_its_cause(
    verify: Verify, tmp_path: Path, answer: str, stage: str, cause: str, said: str
) -> None:
    own = tmp_path / "own.cfg"
    own.write_text(f"d-i {answer}\n")
    options = ("--silence", "20") if "stop" in answer else ()
    ran = verify(build("tiny-installer"), "--install", "--answers", own, *options)
    assert ran.brief() == ("fail", stage, cause)
    found = next(row for row in ran.result["findings"] if row["id"] == cause)
    assert said in found["statement"]
    assert found["evidence"]
    assert (ran.run_dir / "installation" / "screen-end.png").exists()
    assert is_whole(ran)


def test_an_interrupted_installation_leaves_a_judged_folder_and_nothing_else(
    tmp_path: Path, scratch: Path, program_env: dict[str, str]
) -> None:
    run_dir, own = tmp_path / "run", tmp_path / "own.cfg"
    own.write_text("d-i tiny/stop boolean true\n")
    words = [HARNESS, "verify", build("tiny-installer"), "--install", "--answers", own, "--json"]
    process = subprocess.Popen(
        [*words, "--accel", "tcg", "--run-dir", run_dir],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=program_env,
    )
    log = run_dir / "installation" / "serial.log"
    wait_for(lambda: log.exists() and "MiB" in log.read_text(errors="replace"), seconds=240)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    ran = ProgramRun(process.returncode, stdout, stderr, run_dir, scratch)
    assert ran.status == 130
    assert (ran.result["outcome"], ran.result["cause"]) == ("error", "host.interrupted")
    assert is_whole(ran)
