"""The host of a libvirt that is reached over SSH: a folder there, and forwards to its sockets.

One connection carries all of it. A shell there waits for the end of the connection, however it
ends, and removes the folder.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from harness.errors import HostError, LibvirtUnreachableError, MissingToolError
from harness.evidence.guest_text import printable

if TYPE_CHECKING:
    from asyncssh import SFTPClient, SSHClientConnection

_log = logging.getLogger(__name__)

LIBVIRT_SOCKET = "/var/run/libvirt/libvirt-sock"
"""The socket of the system's libvirtd, and of virtqemud's proxy (libvirt.org, "Daemons")."""

_CONNECT_TIMEOUT_S = 30.0
_RUN_TIMEOUT_S = 120.0
_KEEPALIVE_S = 5
_KEEPALIVES = 5

# Prints what is there, and waits: its standard input closes with our connection.
_KEEPER = """\
umask 077
emulator=$(command -v qemu-system-x86_64) || exit 3
folder=$(mktemp -d /var/tmp/harness-XXXXXXXX) || exit 4
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
printf '%s\\n' "$folder" "$(id -u)" "$(id -g)" "$emulator" "$("$emulator" --version | head -n 1)"
cat > /dev/null
"""
_NOT_THERE = {
    3: "QEMU (qemu-system-x86_64) is not installed there",
    4: "no folder can be made there",
}


@dataclass(frozen=True, slots=True)
class RemoteHost:
    """A host with an open login. ``folder`` is our own folder there.

    ``owner`` are the user and group there, ``emulator`` and ``qemu`` are QEMU's path and version.
    """

    connection: SSHClientConnection
    files: SFTPClient
    folder: Path
    owner: tuple[int, int]
    emulator: Path
    qemu: str

    async def run(self, *words: str) -> None:
        """Run a command there; raises HostError (``host.missing-tool``) where it fails."""
        _log.debug("start over ssh: %s", shlex.join(words))
        async with asyncio.timeout(_RUN_TIMEOUT_S):
            done = await self.connection.run(shlex.join(words), errors="replace")
        _log.debug("%s over ssh ended with status %s", words[0], done.exit_status)
        if done.exit_status:
            said = printable(str(done.stderr or "").strip(), 200)
            raise MissingToolError(f"{words[0]} fails on that host: {said}.")

    async def send(self, file: Path, name: str) -> Path:
        """Copy ``file`` to the folder there as ``name``; return its path there."""
        await self.files.put(str(file), str(self.folder / name))
        return self.folder / name

    async def follow(self, there: Path, here: Path) -> None:
        """Copy a growing file there to one here, until cancelled."""
        command = shlex.join(["tail", "-c", "+1", "-f", str(there)])
        async with self.connection.create_process(command, encoding=None) as process:
            with here.open("ab", buffering=0) as file:
                while chunk := await process.stdout.read(1 << 16):
                    file.write(chunk)


@asynccontextmanager
async def remote_login(uri: str) -> AsyncIterator[RemoteHost]:
    """Log in to the host of ``uri`` (``qemu+ssh://[USER@]HOST[:PORT]/system``) for the block.

    The user's SSH configuration, keys, agent and known hosts are used, without any question.
    Raises HostError: ``host.libvirt-unreachable`` where the login fails, or there is no QEMU.
    """
    import asyncssh

    parts = urlsplit(uri)
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(asyncssh.connect(**_options(parts)))
            keeper = await connection.create_process(_KEEPER, encoding="utf-8", errors="replace")
            lines = [(await keeper.stdout.readline()).rstrip("\n") for _ in range(5)]
            if not lines[-1]:
                await keeper.wait_closed()
                why = _NOT_THERE.get(keeper.exit_status or 0, "no shell answers there")
                raise _unreachable(parts, why)
            files = await stack.enter_async_context(connection.start_sftp_client())
        except (asyncssh.Error, OSError) as error:
            why = printable(str(error), 200).rstrip(".") or type(error).__name__
            raise _unreachable(parts, why) from error
        try:
            yield _host(connection, files, lines)
        finally:
            with suppress(asyncssh.Error, OSError):
                keeper.stdin.write_eof()
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    await keeper.wait_closed()


def _host(connection: SSHClientConnection, files: SFTPClient, lines: list[str]) -> RemoteHost:
    folder, user, group, emulator, version = lines
    found = re.search(r"version (\d[\w.]*)", version)
    owner = (int(user), int(group))
    qemu = found[1] if found else ""
    return RemoteHost(connection, files, Path(folder), owner, Path(emulator), qemu)


def _options(parts: SplitResult) -> dict[str, Any]:
    """Return asyncssh's options for libvirt's parameters (libvirt.org, "Connection URIs")."""
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    options: dict[str, Any] = {
        "host": parts.hostname,
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "login_timeout": _CONNECT_TIMEOUT_S,
        "keepalive_interval": _KEEPALIVE_S,
        "keepalive_count_max": _KEEPALIVES,
    }
    if parts.port:
        options["port"] = parts.port
    if parts.username:
        options["username"] = parts.username
    if "keyfile" in asked:
        options["client_keys"] = [asked["keyfile"]]
    if "known_hosts" in asked:
        options["known_hosts"] = asked["known_hosts"]
    if asked.get("no_verify") == "1":
        options["known_hosts"] = None
    return options


def libvirt_socket(uri: str) -> str:
    """Return the path of libvirt's socket on the host of ``uri``."""
    return parse_qs(urlsplit(uri).query).get("socket", [LIBVIRT_SOCKET])[-1]


def _unreachable(parts: SplitResult, why: str) -> HostError:
    where = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return LibvirtUnreachableError(
        f"--connect {where}: ssh to {parts.hostname}: {why}.",
        "ssh must let you in without a question (ssh -o BatchMode=yes HOST true), and QEMU and "
        "libvirtd must be there.",
    )
