"""Logging in to a guest: a real server, well-behaved and not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest

from harness.observe.ssh import MAX_OUTPUT_BYTES, CommandOutput, new_key, run_command, ssh_command


async def _handle(process: asyncssh.SSHServerProcess[str]) -> None:
    command = process.command or ""
    if command == "flood":
        chunk = "x" * (1 << 20)
        for _ in range(2 * MAX_OUTPUT_BYTES >> 20):
            process.stdout.write(chunk)
            await process.stdout.drain()
    elif command == "hang":
        await asyncio.Event().wait()
    else:
        process.stdout.write(f"you said {command}\n")
        process.stderr.write("aside\n")
    process.exit(3)


def ran(
    folder: Path, command: str, *, is_let_in: bool = True, timeout_s: float = 60
) -> CommandOutput:
    """What came of a command in a guest that lets one key in."""
    key, other = new_key(), new_key()
    key.write(folder / "key")
    (folder / "authorized").write_text((key if is_let_in else other).public + "\n")

    async def run() -> CommandOutput:
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            authorized_client_keys=str(folder / "authorized"),
            process_factory=_handle,
        )
        async with server:
            return await run_command(
                folder / "key", "127.0.0.1", server.get_port(), command, timeout_s
            )

    return asyncio.run(run())


def test_status_and_both_outputs_come_back(tmp_path: Path) -> None:
    assert ran(tmp_path, "hello") == (3, "you said hello\n", "aside\n")


@pytest.mark.programs
def test_a_guest_that_lets_nobody_in_is_named(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="the last attempt to log in: Permission denied"):
        ran(tmp_path, "true", is_let_in=False, timeout_s=6)


@pytest.mark.programs
def test_a_command_that_does_not_end(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="'hang' did not end within 2 s"):
        ran(tmp_path, "hang", timeout_s=2)


def test_too_much_output_ends_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="more than 16 MiB"):
        ran(tmp_path, "flood")


def test_the_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    key = new_key()
    key.write(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert key.public.startswith("ssh-ed25519 ")
    with pytest.raises(FileExistsError):
        key.write(tmp_path / "key")


def test_a_person_is_told_the_words_for_their_own_client(tmp_path: Path) -> None:
    words = ssh_command(tmp_path / "key", "127.0.0.1", 2222)
    assert words[0] == "ssh"
    assert words[-1] == "root@127.0.0.1"
    assert {"IdentitiesOnly=yes", "UserKnownHostsFile=/dev/null"} <= set(words)
