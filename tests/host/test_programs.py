"""Programs of the host, and the package to install where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.host.programs import DEBIAN_PACKAGES, OPTIONAL_PROGRAMS, find_program, qemu_version


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder in PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    qemu_version.cache_clear()
    yield tmp_path
    qemu_version.cache_clear()


def write(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_find_program_returns_the_path(programs: Path) -> None:
    swtpm = write(programs, "swtpm", "")
    assert find_program("swtpm") == swtpm


@pytest.mark.parametrize("name", DEBIAN_PACKAGES)
def test_a_missing_program_is_named_with_its_package(programs: Path, name: str) -> None:
    with pytest.raises(HostError, match=f"{name} is not installed") as caught:
        find_program(name)
    assert caught.value.finding_id == "host.missing-tool"
    assert caught.value.remedy.endswith(f" {DEBIAN_PACKAGES[name]}")


def test_every_optional_program_has_a_package() -> None:
    assert set(OPTIONAL_PROGRAMS) <= set(DEBIAN_PACKAGES)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)", "7.2.22"),
        ("QEMU emulator version 10.0.2", "10.0.2"),
        ("QEMU emulator version 7.1", "7.1"),
    ],
)
def test_qemu_version_is_parsed(programs: Path, said: str, version: str) -> None:
    write(programs, "qemu-system-x86_64", f"echo '{said}'")
    assert qemu_version() == version


@pytest.mark.parametrize(
    "script", ["echo 'QEMU emulator version 7.0.0'", "echo nonsense", "exit 1"]
)
def test_an_old_or_broken_qemu_is_refused(programs: Path, script: str) -> None:
    write(programs, "qemu-system-x86_64", script)
    with pytest.raises(HostError, match=r"QEMU 7\.1 or newer is needed") as caught:
        qemu_version()
    assert caught.value.finding_id == "host.missing-tool"
