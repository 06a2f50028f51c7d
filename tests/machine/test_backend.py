"""Which backend is meant, and what is said where there is none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.machine.backend import Backend, choose_backend
from tests.program import Ran

pytestmark = pytest.mark.programs

Verify = Callable[..., Ran]


def test_without_a_word_harness_starts_qemu_itself() -> None:
    assert choose_backend("qemu", None) == Backend("qemu", "")
    with pytest.raises(UsageError, match="--connect: is for --backend libvirt"):
        choose_backend("qemu", "qemu:///system")


@pytest.mark.parametrize(("uid", "uri"), [(0, "qemu:///system"), (1000, "qemu:///session")])
def test_root_has_the_libvirt_of_the_system_others_their_own(
    monkeypatch: pytest.MonkeyPatch, uid: int, uri: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert choose_backend("libvirt", None) == Backend("libvirt", uri)


@pytest.mark.parametrize(
    ("uri", "is_remote"),
    [
        ("qemu:///system", False),
        ("qemu+unix:///system?socket=/run/x", False),
        ("qemu+ssh://host/system", True),
        ("qemu+ssh://me@host:2222/system?keyfile=/k", True),
    ],
)
def test_addresses_that_are_taken(uri: str, is_remote: bool) -> None:
    backend = choose_backend("libvirt", uri)
    assert (backend.uri, backend.is_remote) == (uri, is_remote)


@pytest.mark.parametrize(
    "uri",
    [
        "xen:///system",
        "qemu:///other",
        "qemu+tcp://host/system",
        "qemu+ssh:///system",
        "test:///default",
        "system",
        "qemu+ssh://host/session",
        "qemu+ssh://host:ssh/system",
    ],
)
def test_addresses_that_cannot_be_meant(uri: str) -> None:
    with pytest.raises(UsageError, match="--connect"):
        choose_backend("libvirt", uri)


def test_root_has_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UsageError, match="use qemu:///system"):
        choose_backend("libvirt", "qemu:///session")


def is_error_of_this_host(ran: Ran, cause: str) -> bool:
    return (ran.status, ran.result["outcome"], ran.result["cause"]) == (4, "error", cause)


def test_nobody_answers(verify: Verify, tiny: Path) -> None:
    pytest.importorskip("libvirt")
    uri = "qemu+unix:///system?socket=/nowhere"
    ran = verify(tiny, "--backend", "libvirt", "--connect", uri)
    assert is_error_of_this_host(ran, "host.libvirt-unreachable")
    (found,) = [row for row in ran.result["findings"] if row["id"].startswith("host.libvirt")]
    assert "/nowhere" in found["statement"]
    assert list(ran.scratch.iterdir()) == []


def test_nobody_answers_at_the_other_end_of_ssh(verify: Verify, tiny: Path) -> None:
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
