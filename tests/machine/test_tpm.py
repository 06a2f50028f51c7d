"""A TPM that comes and goes with its machine: real swtpm, no guest."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import HostError, QemuError
from harness.machine.tpm import running_tpm
from tests.processes import wait_for

needs_swtpm = pytest.mark.skipif(
    shutil.which("swtpm") is None, reason="swtpm is not installed (apt-get install swtpm)"
)
# swtpm(8), TPM control channel: CMD_GET_CAPABILITY; four bytes of capabilities follow the result.
_GET_CAPABILITY = (1).to_bytes(4, "big")


def running_with(folder: Path) -> list[int]:
    """The processes whose command line names something in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"swtpm" in words and os.fsencode(folder) in words:
                found.append(int(entry.name))
    return found


@needs_swtpm
def test_it_answers_while_the_block_runs_and_is_gone_after_it(tmp_path: Path) -> None:
    async def ask() -> tuple[bytes, list[int]]:
        async with running_tpm(tmp_path) as path:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(_GET_CAPABILITY)
            answer = await reader.readexactly(8)
            writer.close()
            return answer, running_with(tmp_path)

    answer, pids = asyncio.run(ask())
    assert answer[:4] == bytes(4)
    assert len(pids) == 1
    assert running_with(tmp_path) == []


@needs_swtpm
def test_it_is_filtered_by_seccomp(tmp_path: Path) -> None:
    async def status() -> str:
        async with running_tpm(tmp_path) as path:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(_GET_CAPABILITY)
            await reader.readexactly(8)
            (pid,) = running_with(tmp_path)
            writer.close()
            status = Path(f"/proc/{pid}/status")
            return await asyncio.to_thread(status.read_text, encoding="ascii")

    # proc_pid_status(5): 2 is SECCOMP_MODE_FILTER.
    assert "Seccomp:\t2" in asyncio.run(status())


@needs_swtpm
def test_it_does_not_outlive_a_program_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from harness.machine.tpm import running_tpm\n"
        "async def main():\n"
        "    async with running_tpm(Path(sys.argv[1])):\n"
        "        print('up', flush=True)\n        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"up\n"
            # Its command line is empty for a moment while swtpm takes the place of setpriv.
            wait_for(lambda: len(running_with(tmp_path)) == 1)
        finally:
            process.send_signal(signal.SIGKILL)
    wait_for(lambda: running_with(tmp_path) == [])


def test_without_swtpm_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    async def start() -> None:
        async with running_tpm(tmp_path):
            pass

    with pytest.raises(HostError, match="swtpm is not installed") as caught:
        asyncio.run(start())
    assert caught.value.finding_id == "host.missing-tool"
    assert caught.value.remedy == "apt-get install --no-install-recommends swtpm"


def test_a_tpm_that_ends_is_reported_instead_of_qemu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    script = programs / "swtpm"
    script.write_text("#!/bin/sh\necho 'swtpm: it has no keys' >&2\nexit 1\n", encoding="ascii")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    async def start() -> None:
        async with running_tpm(tmp_path) as path:
            with socket.socket(socket.AF_UNIX) as client:
                while True:
                    await asyncio.sleep(0.05)
                    try:
                        client.connect(str(path))
                    except ConnectionRefusedError:
                        break
            raise QemuError("QEMU did not start.")

    with pytest.raises(HostError, match="swtpm ended: swtpm: it has no keys") as caught:
        asyncio.run(start())
    assert caught.value.finding_id == "host.tpm-failed"
