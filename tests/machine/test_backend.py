"""The error where no backend answers, or none can be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.program import ProgramRun

pytestmark = pytest.mark.programs

Verify = Callable[..., ProgramRun]


def is_error_of_this_host(ran: ProgramRun, cause: str) -> bool:
    return (ran.status, ran.result["outcome"], ran.result["cause"]) == (4, "error", cause)


def test_an_unreachable_libvirt_is_a_fault_of_the_host(verify: Verify, tiny: Path) -> None:
    pytest.importorskip("libvirt")
    uri = "qemu+unix:///system?socket=/nowhere"
    ran = verify(tiny, "--backend", "libvirt", "--connect", uri)
    assert is_error_of_this_host(ran, "host.libvirt-unreachable")
    (found,) = [row for row in ran.result["findings"] if row["id"].startswith("host.libvirt")]
    assert "/nowhere" in found["statement"]
    assert list(ran.scratch.iterdir()) == []


def test_an_unreachable_ssh_host_is_a_fault_of_the_host(verify: Verify, tiny: Path) -> None:
    uri = "qemu+ssh://root@127.0.0.1:1/system"
    ran = verify(tiny, "--backend", "libvirt", "--connect", uri)
    assert is_error_of_this_host(ran, "host.libvirt-unreachable")
    assert "harness: --connect qemu+ssh://root@127.0.0.1:1/system: ssh to" in ran.stderr


def test_without_the_binding_it_is_said_what_to_install(
    verify: Verify, tiny: Path, tmp_path: Path, program_env: dict[str, str]
) -> None:
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "libvirt.py").write_text("raise ImportError\n")
    program_env["PYTHONPATH"] = f"{folder}:{os.environ.get('PYTHONPATH', '')}"
    ran = verify(tiny, "--backend", "libvirt", "--connect", "qemu:///system")
    assert is_error_of_this_host(ran, "host.missing-tool")
    assert "pip install 'harness[libvirt]'" in ran.result["findings"][-1]["statement"]
