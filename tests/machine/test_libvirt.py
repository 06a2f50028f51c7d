"""Machines that libvirt starts, beside the same ones that harness starts itself."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.machine.backend import Backend
from harness.trial.replay import replay
from images.build import build
from images.gallery.build import build_entry
from images.gallery.entry import load_entry
from tests.machine.inventory import ask
from tests.machine.libvirtd import Libvirtd, own_libvirtd
from tests.machine.sshd import own_sshd
from tests.processes import machines_of, wait_for
from tests.program import HARNESS, ProgramRun

pytestmark = pytest.mark.boot

# Each is two boots.
_MORE = ("panic", "reboot")


@pytest.fixture(scope="module", params=["session", "system"])
def libvirtd(request: pytest.FixtureRequest) -> Iterator[Libvirtd]:
    with (
        tempfile.TemporaryDirectory(prefix="libvirtd-", dir="/var/tmp") as folder,
        own_libvirtd(request.param, Path(folder)) as daemon,
    ):
        yield daemon


@pytest.fixture(scope="module")
def system() -> Iterator[Libvirtd]:
    with (
        tempfile.TemporaryDirectory(prefix="libvirtd-", dir="/var/tmp") as folder,
        own_libvirtd("system", Path(folder)) as daemon,
    ):
        yield daemon


@pytest.fixture
def run_by(
    tmp_path: Path, scratch: Path, program_env: dict[str, str]
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``harness verify --json`` with a machine of libvirt's, or without one of its own."""

    def start(image: Path, by: Libvirtd | None, *options: str) -> subprocess.Popen[str]:
        run_dir = tmp_path / (by.kind if by else "qemu")
        words = [HARNESS, "verify", image, "--json", "--accel", "tcg", "--run-dir", run_dir]
        if by:
            words = [*by.prefix, *words, "--backend", "libvirt", "--connect", by.uri]
        env = {**program_env, **(by.env if by else {})}
        process = subprocess.Popen(
            [*words, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
        started.append(process)
        return process

    started: list[subprocess.Popen[str]] = []
    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def verify_by(
    tmp_path: Path, scratch: Path, run_by: Callable[..., subprocess.Popen[str]]
) -> Callable[..., ProgramRun]:
    def verify(image: Path, by: Libvirtd | None, *options: str) -> ProgramRun:
        process = run_by(image, by, *options)
        stdout, stderr = process.communicate()
        assert "Traceback" not in stderr, stderr
        run_dir = tmp_path / (by.kind if by else "qemu")
        return ProgramRun(process.returncode, stdout, stderr, run_dir, scratch)

    return verify


def verdict(ran: ProgramRun) -> dict[str, Any]:
    """What two backends must agree in."""
    result = ran.result
    return {
        "brief": (ran.status, *ran.brief()),
        "stages": sorted(set(result["timings_s"]) - {"verdict", "check"}),
        # How long a guest stood still is the one thing that two boots do not share.
        "findings": sorted(
            (row["id"], row["severity"], re.sub(r"\b\d+ s\b", "some time", row["statement"]))
            for row in result["findings"]
        ),
        "counterfactual": result["counterfactual"],
        # Where the guest was heard and seen, and what it sent.
        "channels": {row["channel"] for row in ran.evidence} - {"clock", "screen"},
        "calls": sum(row["channel"] == "receiver" for row in ran.evidence),
        "files": {path.name for path in ran.run_dir.iterdir() if path.suffix in (".log", ".pcap")},
    }


def nothing_is_left(ran: ProgramRun, daemon: Libvirtd) -> bool:
    left = [*machines_of(ran.scratch), *ran.scratch.iterdir(), *(daemon.domains() or [])]
    return left == []


def agree(
    verify_by: Callable[..., ProgramRun], image: Path, daemon: Libvirtd, *options: str
) -> ProgramRun:
    """Verify the image with both backends, and hold the one against the other."""
    before = image.stat(), os.listxattr(image)
    by_libvirt = verify_by(image, daemon, *options)
    after = image.stat(), os.listxattr(image)
    assert (before[0].st_uid, before[0].st_mode, before[0].st_ctime_ns, before[1]) == (
        after[0].st_uid,
        after[0].st_mode,
        after[0].st_ctime_ns,
        after[1],
    ), "the image is neither written nor given to another"
    assert verdict(by_libvirt) == verdict(verify_by(image, None, *options))
    assert by_libvirt.result["tool"]["backend"] == "libvirt"
    assert json.loads(replay(by_libvirt.run_dir).to_json()) == by_libvirt.result
    assert nothing_is_left(by_libvirt, daemon)
    if daemon.kind == "session":
        assert list(daemon.folder.glob("cache/libvirt/qemu/log/*")) == []
        assert "qemu-system" in (by_libvirt.run_dir / "qemu.stderr").read_text()
    return by_libvirt


def test_both_backends_say_the_same_of_the_tiny_guest(
    verify_by: Callable[..., ProgramRun], tiny: Path, libvirtd: Libvirtd
) -> None:
    ran = agree(verify_by, tiny, libvirtd, "--until", "seed")
    assert ran.brief() == ("pass", "seed", None)
    assert (ran.run_dir / "screen-end.png").read_bytes().startswith(b"\x89PNG")
    assert "<domain" in (ran.run_dir / "domain.xml").read_text()


@pytest.mark.parametrize(
    "mode", ["poweroff", *(pytest.param(mode, marks=pytest.mark.nightly) for mode in _MORE)]
)
def test_both_backends_say_the_same_of_guests_that_misbehave(
    verify_by: Callable[..., ProgramRun], system: Libvirtd, mode: str
) -> None:
    ran = agree(verify_by, build("tiny", f"tiny.mode={mode}"), system)
    assert ran.brief()[0] == "fail"


@pytest.mark.nightly
@pytest.mark.parametrize(
    "name", ["grub-rescue", "no-bootloader", "windows-7b-stand-in", "kernel-corrupt"]
)
def test_both_backends_say_the_same_of_the_gallery(
    verify_by: Callable[..., ProgramRun], system: Libvirtd, name: str
) -> None:
    ran = agree(verify_by, build_entry(name), system, "--no-counterfactual")
    expected = load_entry(name).expected
    assert (ran.brief()[0], ran.brief()[2]) == (expected.outcome, expected.cause)


@pytest.mark.nightly
def test_both_backends_say_the_same_of_debian_12(
    verify_by: Callable[..., ProgramRun], libvirtd: Libvirtd
) -> None:
    ran = agree(verify_by, build("debian-12"), libvirtd, "--until", "ready")
    assert ran.brief() == ("pass", "ready", None)


def test_a_disk_for_uefi_passes_on_libvirt(
    verify_by: Callable[..., ProgramRun], system: Libvirtd
) -> None:
    ran = verify_by(build("tiny", firmware="uefi"), system, "--firmware", "uefi")
    assert ran.brief() == ("pass", "network", None)
    assert nothing_is_left(ran, system)


def test_it_is_the_same_machine_to_the_last_device(tmp_path: Path, system: Libvirtd) -> None:
    found = []
    for backend in (Backend(), Backend("libvirt", system.uri)):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
            folder = Path(name)
            image = folder / "image.qcow2"
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
            answers = asyncio.run(ask(folder, backend))
        del answers["query-chardev"], answers["network"]
        found.append(json.loads(json.dumps(answers).replace(name, "FOLDER")))
    direct, by_libvirt = found
    for name, answer in direct.items():
        assert by_libvirt[name] == answer, name


def test_both_backends_say_the_same_over_ssh(
    verify_by: Callable[..., ProgramRun], tiny: Path, tmp_path: Path, system: Libvirtd
) -> None:
    with own_sshd(tmp_path) as address:
        uri = f"qemu+ssh://{address}&socket={system.folder}/sockets/libvirt-sock"
        far = replace(system, uri=uri)
        ran = agree(verify_by, tiny, far, "--until", "seed")
    assert ran.brief() == ("pass", "seed", None)
    assert (ran.run_dir / "screen-end.png").read_bytes().startswith(b"\x89PNG")
    (there,) = set(re.findall(r"/var/tmp/harness-\w+", (ran.run_dir / "domain.xml").read_text()))
    assert not Path(there).exists()


def read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


@pytest.fixture
def booting(
    run_by: Callable[..., subprocess.Popen[str]], tiny: Path, tmp_path: Path, libvirtd: Libvirtd
) -> tuple[subprocess.Popen[str], Path]:
    """A run whose guest has just left the firmware, and its folder."""
    process = run_by(tiny, libvirtd)
    run_dir = tmp_path / libvirtd.kind
    wait_for(lambda: "Booting from Hard Disk" in read(run_dir / "firmware.log"))
    return process, run_dir


def test_a_killed_libvirtd_is_a_fault_of_the_host(
    booting: tuple[subprocess.Popen[str], Path], scratch: Path, libvirtd: Libvirtd
) -> None:
    process, run_dir = booting
    libvirtd.end(signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=120)
    libvirtd.start()
    ran = ProgramRun(process.returncode, stdout, stderr, run_dir, scratch)
    assert "Traceback" not in stderr
    assert ran.status == 4
    assert (ran.result["outcome"], ran.result["cause"]) == ("error", "host.libvirt-lost")
    assert json.loads(replay(run_dir).to_json()) == ran.result
    # A daemon that starts looks after the domains of the one before it.
    wait_for(lambda: nothing_is_left(ran, libvirtd))


def test_a_killed_program_takes_its_domain_along(
    booting: tuple[subprocess.Popen[str], Path], scratch: Path, libvirtd: Libvirtd
) -> None:
    process, _ = booting
    assert len(machines_of(scratch)) == 1
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: machines_of(scratch) == [] and libvirtd.domains() == [])
