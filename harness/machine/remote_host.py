"""The host of a libvirt that is reached over ssh: a folder there, and ways to its sockets.

One connection carries all of it. What is made there is gone when the connection is, however that
ends: a shell there waits for just that.
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
"""Where libvirtd of the system listens, and virtqemud's proxy (libvirt.org, "Daemons")."""

_CONNECT_TIMEOUT_S = 30.0
_RUN_TIMEOUT_S = 120.0
_KEEPALIVE_S = 5
_KEEPALIVES = 5

# Says what is there, and waits: its end of the connection closes with ours.
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
    """A host that we are logged in to. ``folder`` is ours there, and nobody else's.

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
        """Copy ``file`` to the folder there, as ``name``; where it is then."""
        await self.files.put(str(file), str(self.folder / name))
        return self.folder / name

    async def follow(self, there: Path, here: Path) -> None:
        """Write what is and will be in a file there to one here, until cancelled."""
        command = shlex.join(["tail", "-c", "+1", "-f", str(there)])
        async with self.connection.create_process(command, encoding=None) as process:
            with here.open("ab", buffering=0) as file:
                while chunk := await process.stdout.read(1 << 16):
                    file.write(chunk)


@asynccontextmanager
async def remote_login(uri: str) -> AsyncIterator[RemoteHost]:
    """The host of ``uri`` (``qemu+ssh://[USER@]HOST[:PORT]/system``), until the block is left.

    The user's own configuration of ssh, keys, agent and known hosts are used; nothing is asked.
    Raises HostError: ``host.libvirt-unreachable`` where nobody lets us in, or there is no QEMU.
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
    """What asyncssh is told; the parameters are libvirt's own (libvirt.org, "Connection URIs")."""
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
    """The path of libvirt's socket on the host of ``uri``."""
    return parse_qs(urlsplit(uri).query).get("socket", [LIBVIRT_SOCKET])[-1]


def _unreachable(parts: SplitResult, why: str) -> HostError:
    where = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return LibvirtUnreachableError(
        f"--connect {where}: ssh to {parts.hostname}: {why}.",
        "ssh must let you in without a question (ssh -o BatchMode=yes HOST true), and QEMU and "
        "libvirtd must be there.",
    )
