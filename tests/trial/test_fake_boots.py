"""Whole boots of machines that behave in any way, well and badly: the fake QEMU plays each.

All of harness is real: the sockets, the processes, the observers, the judge, the record.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.console.station import open_station
from harness.examine.image_report import ImageFacts
from harness.machine.acceleration import Acceleration
from harness.machine.backend import Backend
from harness.model.finding import Finding
from harness.provider.profile import load_profile
from harness.trial.plan import boot_case
from harness.trial.recorder import ignore_events
from harness.trial.replay import replay
from harness.trial.request import Case
from harness.trial.result import Result
from tests.machine.fake_programs import write_fake_qemu
from tests.processes import machines_of

FIRMWARE = ["firmware", "SeaBIOS (version 1.16.2)", "Booting from Hard Disk..."]
LOADER = ["firmware", "Booting from 0000:7c00"]
LINUX = [
    "serial",
    "[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian)",
    "[    1.2] Run /init as init process",
    "Begin: Running /scripts/local-bottom ... done.",
    "Welcome to Debian GNU/Linux 12 (bookworm)!",
]
KERNEL = [FIRMWARE, LOADER, ["kernel"], LINUX]
UP = [*KERNEL, ["frame", "arp-reply"]]


@dataclass(frozen=True)
class FakeBoot:
    """The result of a boot, and what it left."""

    result: Result
    run_dir: Path
    scratch: Path

    @property
    def brief(self) -> tuple[str, str | None, str | None]:
        return self.result.outcome, self.result.stage, self.result.cause

    def cause(self) -> Finding:
        """The finding that decided."""
        return next(row for row in self.result.findings if row.id == self.result.cause)

    def evidence(self, channel: str, kind: str) -> list[dict[str, Any]]:
        lines = (self.run_dir / "evidence.jsonl").read_text().splitlines()[1:]
        rows = map(json.loads, lines)
        return [row for row in rows if (row["channel"], row["kind"]) == (channel, kind)]


Try = Callable[..., FakeBoot]


def case_of(image: Path, run_dir: Path, **limits: float) -> tuple[Case, Acceleration]:
    """What tries ``image`` at Contabo; the only place that knows how the program composes it."""
    size_bytes = image.stat().st_size
    facts = ImageFacts(
        str(image), image, "qcow2", "", size_bytes, 1 << 20, (), passes=True, bytes_read=0, took_s=0
    )
    case = Case(
        image=facts,
        profile=load_profile("contabo"),
        silence_s=limits.get("silence_s"),
        timeout_s=limits.get("timeout_s"),
        run_dir=run_dir,
        backend=Backend(answer_timeout_s=limits.get("answer_timeout_s", 60)),
    )
    acceleration = Acceleration("tcg", "max", 1.0, "", qemu="9.9.9")
    return case, acceleration


def try_image(image: Path, run_dir: Path, **limits: float) -> Result:
    """Try ``image`` as the program does."""
    return asyncio.run(boot_case(*case_of(image, run_dir, **limits), ignore_events))


@pytest.fixture
def try_machine(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Try:
    """Try an image on a machine that plays a scenario; nothing may be left of it afterwards."""
    image = tmp_path / "image.qcow2"
    image.write_bytes(bytes(4096))
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def run(
        guest: list[Any], *, silence_s: float = 30, timeout_s: float = 60, **more: Any
    ) -> FakeBoot:
        limits = {"silence_s": silence_s, "timeout_s": timeout_s}
        if "answer_timeout_s" in more:
            limits["answer_timeout_s"] = more.pop("answer_timeout_s")
        write_fake_qemu(tmp_path, guest=guest, **more)
        result = try_image(image, tmp_path / "run", **limits)
        tried = FakeBoot(result, tmp_path / "run", scratch)
        assert machines_of(scratch) == []
        assert list(scratch.iterdir()) == []
        assert json.loads((tried.run_dir / "result.json").read_text()) == json.loads(
            result.to_json()
        )
        assert replay(tried.run_dir).to_json() == result.to_json(), "a replay gives the same result"
        return tried

    return run


@pytest.mark.parametrize("answer", ["arp-reply", "tcp-reset"])
def test_a_guest_that_answers_from_its_address_passes(try_machine: Try, answer: str) -> None:
    tried = try_machine([*KERNEL, ["frame", answer]])
    assert tried.brief == ("pass", "network", None)
    assert "Welcome to Debian" in (tried.run_dir / "serial.log").read_text()
    assert [row["what"] for row in tried.evidence("network", "frame")] == [answer]
    assert (tried.run_dir / "screen-end.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("-device nonsense: not a valid device model name", "host.qemu-crashed"),
        ("cannot set up guest memory 'pc.ram': Cannot allocate memory", "host.out-of-memory"),
        ("-blockdev {}: No space left on device", "host.no-space"),
    ],
)
def test_a_qemu_that_dies_at_its_start_is_a_fault_of_the_host(
    try_machine: Try, said: str, cause: str
) -> None:
    tried = try_machine([], start_fault=said)
    assert tried.brief == ("error", None, cause)
    assert tried.cause().statement.startswith(f"QEMU did not start: {said}")


def test_the_last_lines_of_a_qemu_that_dies_are_evidence(try_machine: Try) -> None:
    tried = try_machine([*KERNEL, ["die", "kvm run failed Bad address", 1]])
    assert (tried.result.outcome, tried.result.cause) == ("error", "host.qemu-crashed")
    assert "kvm run failed Bad address" in str(tried.cause().evidence)
    assert "Linux version" in (tried.run_dir / "serial.log").read_text()


def test_a_qemu_that_is_killed_is_a_fault_of_the_host(try_machine: Try) -> None:
    tried = try_machine([*KERNEL, ["die_of", signal.SIGKILL]])
    assert tried.result.outcome == "error"
    assert tried.evidence("host", "qemu-ended")[0]["status"] == -signal.SIGKILL


def test_a_monitor_that_answers_late_changes_no_verdict(try_machine: Try) -> None:
    assert try_machine(UP, answer_after_s=0.2).brief == ("pass", "network", None)


def test_a_monitor_that_never_opens_is_a_fault_of_the_host(try_machine: Try) -> None:
    tried = try_machine([], never_connects=True, answer_timeout_s=0.3)
    assert tried.brief == ("error", None, "host.qemu-crashed")


@pytest.mark.programs
@pytest.mark.parametrize("command", ["query-blockstats", "cont", "human-monitor-command"])
def test_a_monitor_that_never_answers_is_a_fault_of_the_host(
    try_machine: Try, command: str
) -> None:
    tried = try_machine(KERNEL, unanswered=[command], answer_timeout_s=3)
    assert (tried.result.outcome, tried.result.cause) == ("error", "host.qemu-crashed")
    assert f"did not answer {command}" in tried.cause().statement


def test_a_console_that_floods_hides_no_answer(try_machine: Try) -> None:
    tried = try_machine([*KERNEL, ["repeat", "all work and no play", 5000], ["frame", "arp-reply"]])
    assert tried.brief == ("pass", "network", None)


def test_a_console_that_says_the_same_for_ever_is_silent(try_machine: Try) -> None:
    tried = try_machine([*KERNEL, ["flood", "all work and no play"]], silence_s=1)
    assert tried.result.outcome in ("fail", "inconclusive")
    assert tried.evidence("clock", "quiet")


def test_endless_events_end_with_the_time_limit(try_machine: Try) -> None:
    tried = try_machine([*KERNEL, ["flood_events", "BLOCK_JOB_READY"]], timeout_s=1)
    assert tried.result.outcome == "inconclusive"
    assert tried.evidence("clock", "time-over")


@pytest.mark.programs
def test_a_qemu_that_the_host_stops_is_not_silent(try_machine: Try) -> None:
    boot = [FIRMWARE, LOADER, ["stop", 8], ["kernel"], LINUX, ["frame", "arp-reply"]]
    assert try_machine(boot, silence_s=1.5, answer_timeout_s=1).brief == ("pass", "network", None)


@pytest.mark.programs
def test_a_qemu_that_stays_stopped_keeps_no_run_from_its_time_limit(try_machine: Try) -> None:
    tried = try_machine([FIRMWARE, LOADER, ["stop", 40]], silence_s=1, timeout_s=4)
    assert tried.result.outcome == "inconclusive"
    assert tried.evidence("clock", "time-over")


def test_a_guest_that_powers_off_fails(try_machine: Try) -> None:
    off = {"guest": True, "reason": "guest-shutdown"}
    tried = try_machine([*KERNEL, ["event", "SHUTDOWN", off], ["event", "STOP", {}]])
    assert tried.brief == ("fail", "userspace", "boot.powered-off")


def test_a_guest_that_resets_again_and_again_fails(try_machine: Try) -> None:
    reset = ["event", "RESET", {"guest": True, "reason": "guest-reset"}]
    tried = try_machine([*KERNEL, reset] * 4)
    assert tried.brief == ("fail", "userspace", "boot.reset-loop")


def test_the_log_of_a_run_names_its_steps(
    try_machine: Try, capfd: pytest.CaptureFixture[str]
) -> None:
    tried = try_machine(UP)
    said = (tried.run_dir / "harness.log").read_text()
    parts = [
        "harness.trial.recorder: harness ",
        "harness.machine.overlay: start: qemu-img create",
        "harness.machine.overlay: qemu-img ended with status 0",
        "harness.machine.qemu: start: setpriv --pdeathsig KILL -- ",
        "stopped before the first instruction",
        "harness.trial.boot: power on: until network at contabo",
        "stage firmware reached",
        "stage userspace reached",
        "verdict: pass, no cause, at the stage network",
        "ended with status",
    ]
    at = 0
    for part in parts:
        assert part in said[at:], part
        at = said.index(part, at)
    assert capfd.readouterr().err == ""


def test_a_bug_of_an_observer_ends_the_boot(
    try_machine: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug that a test put there")

    monkeypatch.setattr("harness.trial.observers.read_screens", broken)
    tried = try_machine([*KERNEL, ["hang"]])
    assert tried.result.outcome == "error"
    assert tried.result.cause == "internal.error"
    assert "a bug that a test put there" in (tried.run_dir / "internal-error.txt").read_text()
    assert [row["finding"] for row in tried.evidence("host", "fault")] == ["internal.error"]


def test_a_bug_of_a_console_reader_ends_the_boot(
    try_machine: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug that a test put there")

    monkeypatch.setattr("harness.observe.console.ConsoleObserver.feed", broken)
    tried = try_machine([*KERNEL, ["hang"]])
    assert (tried.result.outcome, tried.result.cause) == ("error", "internal.error")
    assert "a bug that a test put there" in (tried.run_dir / "internal-error.txt").read_text()


def test_the_password_of_a_guest_is_not_in_the_log(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    write_fake_qemu(tmp_path, guest=[*KERNEL, ["hang"]])
    image = tmp_path / "image.qcow2"
    image.write_bytes(bytes(4096))

    async def ask() -> str:
        case, acceleration = case_of(image, tmp_path / "run")
        async with open_station(case, acceleration) as station:
            return await station.do("root-password")

    password = asyncio.run(ask()).split()[4]
    assert len(password) == 8
    assert password not in (tmp_path / "run" / "harness.log").read_text()
