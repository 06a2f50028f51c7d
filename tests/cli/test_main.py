"""Wrong options, and files that are not images: one sentence, the right status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.evidence.log import EvidenceLog
from tests.program import harness

pytestmark = pytest.mark.programs


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Usage: harness"),
        (("verify",), "Missing argument 'IMAGE_OR_URL'"),
        (("verify", "x", "--until", "dawn"), "'dawn' is not one of"),
        (("verify", "x", "--timeout", "0"), "Invalid value for '--timeout'"),
        (("verify", "x", "--nonsense"), "No such option"),
        (("no-such-command",), "No such command"),
        (("verify", "x", "--provider", "nimbus"), "no such profile; there is contabo"),
        (
            (
                "verify",
                "x",
                "--provider",
                "uefi-secure",
                "--backend",
                "libvirt",
                "--connect",
                "qemu+ssh://host/system",
            ),
            "is emulated on this host",
        ),
        (("verify", "/nonexistent/x.qcow2"), "/nonexistent/x.qcow2: cannot be read: No such file"),
        (("verify", "/tmp"), "/tmp: is a folder"),
        (("verify", "/dev/null"), "/dev/null: is a character device"),
        (("replay", "/nonexistent"), "No such file"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(words: tuple[str, ...], said: str) -> None:
    done = harness(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_closed_pipe_ends_the_program(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = harness("verify", tmp_path / "pipe")
    assert done.returncode == 2
    assert "is a pipe" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.qcow2"
    path.write_bytes(b"QFI\xfb")
    path.chmod(0)
    done = harness("verify", path)
    assert done.returncode == 2
    assert "Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "format.unsupported"),
        (b"\x1f\x8b\x08\x00 and so on", "format.archive"),
        (b"QFI\xfb\x00\x00\x00\x03", "qcow2.malformed"),
    ],
)
def test_a_file_that_is_no_image_fails_and_is_recorded(
    tmp_path: Path, content: bytes, found: str
) -> None:
    path = tmp_path / "some image\x1b[31m.qcow2"
    path.write_bytes(content)
    run_dir = tmp_path / "run"
    done = harness("verify", path, "--json", "--run-dir", run_dir)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert (result["outcome"], result["stage"], result["cause"]) == ("fail", None, found)
    assert found in [row["id"] for row in result["findings"]]
    again = harness("replay", run_dir, "--json")
    assert json.loads(again.stdout) == result
    shown = harness("replay", run_dir)
    assert shown.returncode == 1
    assert "\x1b[31m" not in shown.stdout


def test_a_folder_that_holds_a_run_is_not_used_again(tmp_path: Path) -> None:
    image = tmp_path / "x.qcow2"
    image.write_bytes(b"")
    with EvidenceLog(tmp_path / "evidence.jsonl"):
        pass
    done = harness("verify", image, "--run-dir", tmp_path)
    assert done.returncode == 2
    assert "holds a run already" in done.stderr


def test_doctor_names_what_is_missing_and_the_command(tmp_path: Path) -> None:
    (tmp_path / "setpriv").symlink_to("/usr/bin/setpriv")
    done = harness("doctor", env={"PATH": str(tmp_path)})
    assert done.returncode == 4
    assert "apt-get install --no-install-recommends qemu-system-x86 qemu-utils" in done.stdout
    assert "Windows discs are not looked into" in done.stdout
    assert "wimtools" in done.stdout
    assert "wimtools" not in done.stdout.splitlines()[-1]


def test_verify_without_qemu_says_what_to_install(tmp_path: Path) -> None:
    image = tmp_path / "x.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
    done = harness("verify", image, env={"PATH": str(tmp_path)})
    assert done.returncode == 4
    assert "qemu-system-x86_64 is not installed" in done.stderr
    assert "apt-get install --no-install-recommends qemu-system-x86" in done.stderr


def test_check_imports_no_module_that_boots() -> None:
    code = "import sys, harness.cli.main, harness.cli.check; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "harness.examine.image_report" in loaded
    assert not loaded & {"aiohttp", "asyncssh", "distributed", "jinja2", "sqlite3", "textual"}
