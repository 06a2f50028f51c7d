"""The main job on real machines: boots of real guests, through the program as users start it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.trial.replay import replay
from images.build import build
from tests.processes import machines_of, wait_for
from tests.program import HARNESS, ProgramRun
from tests.server import serving

Verify = Callable[..., ProgramRun]

pytestmark = pytest.mark.boot


def nothing_is_left(ran: ProgramRun) -> bool:
    return machines_of(ran.scratch) == [] and list(ran.scratch.iterdir()) == []


def decided_by_the_clock(ran: ProgramRun) -> bool:
    """Tell whether the last event before the verdict was silence."""
    at_s = ran.result["timings_s"]["verdict"]
    decisive = [row for row in ran.evidence if round(row["t_s"], 3) == at_s]
    return any(row["channel"] == "clock" for row in decisive)


def test_a_guest_that_reaches_the_network_passes(verify: Verify, tiny: Path) -> None:
    before = hashlib.sha256(tiny.read_bytes()).hexdigest(), tiny.stat().st_mtime_ns
    ran = verify(tiny, "--until", "seed")
    assert ran.brief() == ("pass", "seed", None)
    assert ran.status == 0
    result = ran.result
    assert result["schema"] == "harness.result/1"
    assert result["image"]["sha256"] == before[0]
    assert result["provider"] == "contabo"
    assert result["tool"]["accel"] == "tcg"
    assert result["timings_s"]["network"] <= result["timings_s"]["seed"]
    assert (hashlib.sha256(tiny.read_bytes()).hexdigest(), tiny.stat().st_mtime_ns) == before
    assert nothing_is_left(ran)
    files = {path.name for path in ran.run_dir.iterdir()}
    assert files >= {
        "evidence.jsonl",
        "serial.log",
        "firmware.log",
        "network.pcap",
        "qemu.command",
        "result.json",
        "screen-bootloader.png",
        "screen-kernel.png",
        "screen-end.png",
    }
    assert json.loads((ran.run_dir / "result.json").read_text()) == result
    assert json.loads(replay(ran.run_dir).to_json()) == result
    assert (ran.run_dir / "screen-end.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "harness" / "downloads"


def test_a_link_is_downloaded_over_a_cut_and_boots(
    tiny: Path, own_cache: Path, verify: Verify
) -> None:
    content = tiny.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    files = {"tiny.qcow2": content, "SHA256SUMS": f"{digest}  tiny.qcow2\n".encode()}
    with serving(files) as server:
        server.cuts_left = 2
        url = server.url("cut/tiny.qcow2")
        ran = verify(url)
    assert ran.brief() == ("pass", "network", None)
    assert (ran.result["image"]["location"], ran.result["image"]["sha256"]) == (url, digest)
    assert "downloading: 100 %" in ran.stderr
    (kept,) = own_cache.glob("*/image-*")
    assert kept.read_bytes() == content
    assert nothing_is_left(ran)
    assert json.loads(replay(ran.run_dir).to_json()) == ran.result


def test_the_answer_to_a_knock_is_proof_before_the_guest_calls(verify: Verify) -> None:
    ran = verify(build("tiny", "tiny.mode=no-call"))
    assert ran.brief() == ("pass", "network", None)
    assert not [row for row in ran.evidence if row["channel"] == "receiver"]


def test_a_file_system_without_a_boot_loader_fails_when_the_firmware_says_so(
    verify: Verify,
) -> None:
    ran = verify(build("alpine-3.23-bare"))
    assert ran.brief() == ("fail", "firmware", "boot.no-bootable-device")
    assert ran.status == 1
    assert not [row for row in ran.evidence if row["channel"] == "clock"]
    assert nothing_is_left(ran)
    assert replay(ran.run_dir).cause == "boot.no-bootable-device"


@pytest.mark.parametrize(
    ("mode", "options", "expected"),
    [
        ("no-network", ("--silence", "8"), ("fail", "network.silent")),
        ("no-address", ("--silence", "8"), ("fail", "network.unconfigured")),
        ("panic", (), ("fail", "boot.kernel-panic")),
        ("poweroff", (), ("fail", "boot.powered-off")),
        ("reboot", (), ("fail", "boot.reset-loop")),
    ],
)
def test_misbehaving_guest_has_its_cause(
    verify: Verify, mode: str, options: tuple[str, ...], expected: tuple[str, str]
) -> None:
    ran = verify(build("tiny", f"tiny.mode={mode}"), *options)
    outcome, _, cause = ran.brief()
    assert (outcome, cause) == expected
    assert ran.status == 1
    assert replay(ran.run_dir).cause == cause
    assert decided_by_the_clock(ran) == bool(options), "an event decides; the clock comes last"


def test_a_guest_at_work_when_the_time_is_over_is_not_called_bad(
    verify: Verify, tiny: Path
) -> None:
    ran = verify(tiny, "--timeout", "2")
    assert ran.brief()[0] == "inconclusive"
    assert ran.status == 3


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A TCP and a UDP server on all addresses of this host, and who came to them."""
    visitors: list[str] = []
    tcp = socket.create_server(("0.0.0.0", 0))
    port = tcp.getsockname()[1]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", port))

    def accept() -> None:
        while True:
            try:
                connection, peer = tcp.accept()
            except OSError:
                return
            visitors.append(f"tcp {peer}")
            connection.close()

    def receive() -> None:
        while True:
            try:
                _, peer = udp.recvfrom(64)
            except OSError:
                return
            visitors.append(f"udp {peer}")

    for target in (accept, receive):
        threading.Thread(target=target, daemon=True).start()
    yield port, visitors
    tcp.close()
    udp.close()


def test_the_guest_reaches_neither_host_nor_lan_nor_the_outside(
    verify: Verify, listener: tuple[int, list[str]]
) -> None:
    port, visitors = listener
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Asks the routing table and sends nothing: the address that the LAN knows this host by.
        probe.connect(("192.0.2.1", 9))
        own = probe.getsockname()[0]
    targets = [
        f"203.0.113.1:{port}",  # user networking's alias of the host
        f"10.0.2.2:{port}",  # the same under its default name
        f"{own}:{port}",  # the host's own address
        "203.0.113.3:53",  # user networking's forwarder of DNS
        "192.0.2.1:80",  # somewhere outside
    ]
    ran = verify(
        build("tiny", f"tiny.connect={','.join(targets)}"), "--until", "ready", "--silence", "10"
    )
    said = [row["text"] for row in ran.evidence if row.get("text", "").startswith("tiny: connect")]
    assert [line.split()[2] for line in said] == targets
    assert [line for line in said if "open" in line] == []
    assert visitors == []
    assert ran.brief() == ("pass", "seed", None)
    assert "seed.failed" in [row["id"] for row in ran.result["findings"]]


def start(
    image: Path, tmp_path: Path, env: dict[str, str], *options: str
) -> tuple[subprocess.Popen[str], Path]:
    """The program with a guest that runs and never ends by itself."""
    run_dir = tmp_path / "run"
    words = [HARNESS, "verify", image, "--json", "--accel", "tcg", "--run-dir", run_dir]
    process = subprocess.Popen(
        [*words, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    wait_for(lambda: "Booting from Hard Disk" in read(run_dir / "firmware.log"))
    return process, run_dir


def read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_an_interrupted_run_leaves_a_judged_folder_and_nothing_else(
    tmp_path: Path,
    scratch: Path,
    program_env: dict[str, str],
    tiny: Path,
    number: signal.Signals,
    status: int,
) -> None:
    process, run_dir = start(tiny, tmp_path, program_env)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    ran = ProgramRun(process.returncode, stdout, stderr, run_dir, scratch)
    assert ran.status == status
    assert (ran.result["outcome"], ran.result["cause"]) == ("error", "host.interrupted")
    assert json.loads(replay(run_dir).to_json()) == ran.result
    assert nothing_is_left(ran)


def test_a_program_that_was_stopped_blames_no_image(
    tmp_path: Path, scratch: Path, program_env: dict[str, str], tiny: Path
) -> None:
    """Ctrl-Z, a laptop that sleeps: the time that passes then is the host's."""
    process, run_dir = start(tiny, tmp_path, program_env, "--silence", "8")
    process.send_signal(signal.SIGSTOP)
    time.sleep(20)
    process.send_signal(signal.SIGCONT)
    stdout, stderr = process.communicate(timeout=600)
    ran = ProgramRun(process.returncode, stdout, stderr, run_dir, scratch)
    assert (ran.result["outcome"], ran.result["cause"]) == ("pass", None), stderr


def test_a_killed_program_takes_its_machine_along(
    tmp_path: Path, scratch: Path, program_env: dict[str, str], tiny: Path
) -> None:
    process, run_dir = start(tiny, tmp_path, program_env)
    assert len(machines_of(scratch)) == 1
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: machines_of(scratch) == [])
    assert replay(run_dir).cause == "host.interrupted", "what is there can be judged"


def test_a_qemu_that_dies_is_not_the_images_fault(
    tmp_path: Path, scratch: Path, program_env: dict[str, str], tiny: Path
) -> None:
    process, run_dir = start(tiny, tmp_path, program_env)
    subprocess.run(["pkill", "-SEGV", "-f", f"qemu-system.*{scratch}"], check=True)
    stdout, stderr = process.communicate(timeout=60)
    ran = ProgramRun(process.returncode, stdout, stderr, run_dir, scratch)
    assert ran.status == 4
    assert (ran.result["outcome"], ran.result["cause"]) == ("error", "host.qemu-crashed")
    assert "Traceback" not in stderr
    assert nothing_is_left(ran)


def test_an_image_that_changes_under_the_run_is_an_error_of_the_host(
    tmp_path: Path, scratch: Path, program_env: dict[str, str], tiny: Path
) -> None:
    copy = tmp_path / "copy.qcow2"
    copy.write_bytes(tiny.read_bytes())
    process, run_dir = start(copy, tmp_path, program_env)
    os.utime(copy)
    stdout, _ = process.communicate(timeout=120)
    assert process.returncode == 4
    assert json.loads(stdout)["cause"] == "host.image-changed"
    assert replay(run_dir).cause == "host.image-changed"


def test_debian_12_passes_and_cloud_init_ends_well(verify: Verify) -> None:
    ran = verify(build("debian-12"), "--until", "ready")
    assert ran.brief() == ("pass", "ready", None)
    reached = ran.result["timings_s"]
    ladder = ["bootloader", "kernel", "initrd", "root", "userspace", "network", "seed", "ready"]
    assert sorted(ladder, key=lambda stage: reached[stage]) == ladder
    call = next(row for row in ran.evidence if row["channel"] == "receiver")
    assert call["fields"]["instance_id"].startswith("i-")
    ready = next(row for row in ran.evidence if row.get("path", "").endswith("/ready"))
    assert "NoCloud" in ready["fields"]["datasource"]
    assert not [row for row in ran.result["findings"] if row["severity"] != "info"]


@pytest.mark.slow
def test_alpine_boots_and_its_static_address_of_another_site_is_named(verify: Verify) -> None:
    # On a busy host without KVM it was seen to work for 40 s without a word, before its network.
    ran = verify(build("alpine-3.23"), "--silence", "90")
    outcome, stage, cause = ran.brief()
    assert (outcome, stage) == ("fail", "userspace")
    assert cause == "network.unconfigured"


def test_a_disk_for_uefi_passes_under_uefi(verify: Verify) -> None:
    ran = verify(build("tiny", firmware="uefi"), "--firmware", "uefi", "--until", "seed")
    assert ran.brief() == ("pass", "seed", None)
    assert ran.result["tool"]["firmware"] == "uefi"
    rows = ran.evidence
    booted_s = next(row["t_s"] for row in rows if "BdsDxe: starting" in str(row.get("text")))
    frames_s = [row["t_s"] for row in rows if row["channel"] == "network"]
    assert min(frames_s) > booted_s, "the firmware sent nothing"
    assert json.loads(replay(ran.run_dir).to_json()) == ran.result
    assert nothing_is_left(ran)


def test_a_disk_for_a_bios_under_uefi_fails_when_the_firmware_says_so(
    verify: Verify, tiny: Path
) -> None:
    ran = verify(tiny, "--firmware", "uefi", "--strict")
    assert ran.brief() == ("fail", "firmware", "firmware.bios-only")
    second = ran.result["counterfactual"]
    assert (second["outcome"], second["stage"]) == ("pass", "kernel"), "warnings are not asked for"
    ids = [row["id"] for row in ran.result["findings"]]
    assert "boot.no-bootable-device" in ids
    assert not decided_by_the_clock(ran)
    kinds = {(row["channel"], row["kind"]) for row in ran.evidence}
    assert ("network", "frame") not in kinds, "the firmware sent nothing"
    assert nothing_is_left(ran)


def test_a_disk_for_uefi_under_a_bios_fails_by_what_inspection_found(verify: Verify) -> None:
    # Its first sector is signed and holds zeros: SeaBIOS runs them, and nothing is ever said.
    ran = verify(build("tiny", firmware="uefi"), "--silence", "10")
    assert ran.brief() == ("fail", "bootloader", "firmware.uefi-only")
    assert nothing_is_left(ran)
