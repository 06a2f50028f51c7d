"""SSH to the guest: a key for one session, and a command over it.

The guest is not trusted: no agent, no user configuration and no forwarding are used, and its
output is limited.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.evidence.guest_text import printable
from harness.observe.network import knock_once

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection, SSHReader

USER = "root"
# While it comes up, a guest refuses, closes, or does not know the key yet.
_AGAIN_S = 0.5
MAX_OUTPUT_BYTES = 16 << 20


class CommandOutput(NamedTuple):
    """The output of a command. The texts are as the guest wrote them: not safe for a terminal.

    ``status`` is negative where a signal ended it, as in :mod:`subprocess`.
    """

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Key:
    """An ed25519 key in the formats of OpenSSH."""

    public: str
    private: bytes

    def write(self, path: Path) -> None:
        """Write the private key to a new file that only its owner may read."""
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(self.private)


def new_key() -> Key:
    """Return a new key."""
    # Imported late, here and below: the import takes a third of a second.
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519", comment="harness")
    public = key.export_public_key("openssh").decode("ascii").strip()
    return Key(public, key.export_private_key("openssh"))


def ssh_command(key_file: Path, host: str, port: int) -> list[str]:
    """The command line that logs in with OpenSSH's client."""
    return [
        "ssh",
        "-i",
        str(key_file),
        "-p",
        str(port),
        # Without it, an agent's keys go first, and may be more than the guest lets one try.
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        f"{USER}@{host}",
    ]


async def run_command(
    key_file: Path, host: str, port: int, command: str, timeout_s: float
) -> CommandOutput:
    """Run ``command`` in the guest and return its output; retry the login until it succeeds.

    Raises TimeoutError after ``timeout_s`` seconds, ConnectionError where the connection ends
    before the command does, or the output is more than 16 MiB.
    """
    refused: list[str] = []
    try:
        async with asyncio.timeout(timeout_s):
            connection = await _log_in(key_file, host, port, refused)
            try:
                return await _run(connection, command)
            finally:
                connection.abort()
    except TimeoutError:
        why = f"; the last attempt to log in: {refused[-1]}" if refused else ""
        raise TimeoutError(
            f"ssh: {printable(command, 80)!r} did not end within {timeout_s:g} s{why}."
        ) from None


async def _log_in(key_file: Path, host: str, port: int, refused: list[str]) -> SSHClientConnection:
    import asyncssh

    while True:
        # A connection from before the guest's server came up may stay open without data for ever.
        if not await knock_once(host, port):
            refused[:] = ["nothing answers on its port"]
            await asyncio.sleep(_AGAIN_S)
            continue
        try:
            return await asyncssh.connect(
                host,
                port,
                username=USER,
                client_keys=[str(key_file)],
                known_hosts=None,
                agent_path=None,
                config=[],
                preferred_auth="publickey",
            )
        except (OSError, asyncssh.Error) as error:
            refused[:] = [printable(str(error), 200).rstrip(".") or type(error).__name__]
            await asyncio.sleep(_AGAIN_S)


async def _run(connection: SSHClientConnection, command: str) -> CommandOutput:
    import asyncssh

    try:
        async with connection.create_process(command, encoding=None) as process:
            stdout, stderr = await asyncio.gather(_read(process.stdout), _read(process.stderr))
            await process.wait(check=False)
    except (OSError, asyncssh.Error) as error:
        raise ConnectionError(f"ssh: {printable(str(error), 200)}") from error
    if process.returncode is None:
        raise ConnectionError("ssh: the connection ended before the command did.")
    return CommandOutput(process.returncode, stdout, stderr)


async def _read(stream: SSHReader[bytes]) -> str:
    """Return all output as text."""
    read = bytearray()
    while chunk := await stream.read(1 << 16):
        read += chunk
        if len(read) > MAX_OUTPUT_BYTES:
            raise ConnectionError(f"the command says more than {MAX_OUTPUT_BYTES >> 20} MiB.")
    return read.decode("utf-8", errors="replace")
