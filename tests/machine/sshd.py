"""A server of ssh of the tests' own, on the loopback, that lets in who has its key."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.processes import wait_for

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""


@contextlib.contextmanager
def own_sshd(folder: Path) -> Iterator[str]:
    """The part of an address of libvirt that is ssh's: ``root@127.0.0.1:PORT`` and parameters."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("sshd is not installed")
    for name in ("host", "client"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(folder / name))
        (folder / name).chmod(0o600)
        key.write_public_key(str(folder / f"{name}.pub"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    known = f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}"
    (folder / "known_hosts").write_text(known)
    (folder / "sshd.conf").write_text(_CONFIG.format(port=port, folder=folder))
    # Where it goes to have no rights; the package makes it when the host is started.
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd.conf"])
    try:
        wait_for(lambda: _listens(port))
        keys = f"keyfile={folder}/client&known_hosts={folder}/known_hosts"
        yield f"root@127.0.0.1:{port}/system?{keys}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
