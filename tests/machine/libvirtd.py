"""A libvirtd of the tests' own: its sockets, state and logs are in one folder, and end with it."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from tests.processes import wait_for

Kind = Literal["session", "system"]

# Debian's users do not have it on their PATH.
_LIBVIRTD = shutil.which("libvirtd", path=f"{os.environ['PATH']}:/usr/sbin") or "libvirtd"

_CONFIG = """\
unix_sock_dir = "{folder}/sockets"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "3:file:{folder}/libvirtd.log"
"""
# QEMU is another user's unless its domain says whose, as on a host that was set up for it.
_QEMU_CONFIG = """\
user = "nobody"
group = "{group}"
stdio_handler = "file"
namespaces = []
"""
# What a daemon of root has outside its folder is covered, for it alone.
_COVER = """\
set -e
for place in run/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt etc/libvirt; do
    mkdir -p "/$place" "$0/$place"
    mount --bind "$0/$place" "/$place"
done
mount --bind "$0/passwd" /etc/passwd
mount --bind "$0/group" /etc/group
# A KVM that root may use and nobody may not: libvirt would ask QEMU again at each turn what it can.
: > "$0/kvm"
chmod 0 "$0/kvm"
[ ! -e /dev/kvm ] || mount --bind "$0/kvm" /dev/kvm
exec "$1" --config "$0/libvirtd.conf" --pid-file "$0/pid"
"""
# A user who is not root, and may read what root may.
_NOT_ROOT = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


@dataclass
class Libvirtd:
    """``prefix`` goes before a command that is to find it; ``env`` is for that, too."""

    kind: Kind
    folder: Path
    uri: str
    prefix: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns once it answers."""
        if self.kind == "system":
            words = ["unshare", "--mount", "--propagation", "private"]
            words += ["sh", "-c", _COVER, str(self.folder), _LIBVIRTD]
        else:
            words = [*self.prefix, _LIBVIRTD, "--config", str(self.folder / "session.conf")]
        with (self.folder / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                words, stdout=subprocess.DEVNULL, stderr=stderr, env={**os.environ, **self.env}
            )
        wait_for(self._answers)
        # It asks every QEMU of the host what it can do, once: no machine of a test waits for that.
        self._virsh("domcapabilities", "--virttype", "qemu")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "libvirtd.log").read_text()
        return self.domains() is not None

    def domains(self) -> list[str] | None:
        """The names of its domains; None where it does not answer."""
        done = self._virsh("list", "--all", "--name")
        return done.stdout.split() if done.returncode == 0 else None

    def _virsh(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, "virsh", "-c", self.uri, *words],
            capture_output=True,
            text=True,
            env={**os.environ, **self.env},
            check=False,
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal, and wait until it is gone."""
        if self._process:
            self._process.send_signal(number)
            self._process.wait(timeout=60)
            self._process = None


@contextlib.contextmanager
def own_libvirtd(kind: Kind, folder: Path) -> Iterator[Libvirtd]:
    """A libvirtd of this kind in ``folder``, whose path is short, for sockets."""
    pytest.importorskip("libvirt")
    for program in (_LIBVIRTD, "virsh", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    daemon = _system(folder) if kind == "system" else _session(folder)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.end()


def _system(folder: Path) -> Libvirtd:
    if os.geteuid() != 0:
        pytest.skip("only root has a libvirtd of the system")
    users = Path("/etc/passwd").read_text()
    groups = Path("/etc/group").read_text()
    # Debian's libvirtd wants it; the package that makes it sets up much more.
    if not _is_known("libvirt-qemu"):
        users += "libvirt-qemu:x:64055:64055::/:/bin/false\n"
        groups += "libvirt-qemu:x:64055:\n"
    (folder / "passwd").write_text(users)
    (folder / "group").write_text(groups)
    (folder / "libvirtd.conf").write_text(_CONFIG.format(folder=folder))
    (folder / "sockets").mkdir()
    (folder / "etc/libvirt").mkdir(parents=True)
    group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    (folder / "etc/libvirt/qemu.conf").write_text(_QEMU_CONFIG.format(group=group))
    uri = f"qemu+unix:///system?socket={folder}/sockets/libvirt-sock"
    return Libvirtd("system", folder, uri)


def _is_known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _session(folder: Path) -> Libvirtd:
    prefix = _NOT_ROOT if os.geteuid() == 0 else ()
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root cannot be another user here (unshare --user)")
    config = f'log_outputs = "3:file:{folder}/libvirtd.log"\n'
    (folder / "session.conf").write_text(config)
    # A client that finds no daemon would start one of its own, which the test does not know.
    env = {"LIBVIRT_AUTOSTART": "0"}
    for name in ("RUNTIME", "CONFIG"):
        path = folder / name.lower()
        path.mkdir(mode=0o700)
        env[f"XDG_{name}_{'DIR' if name == 'RUNTIME' else 'HOME'}"] = str(path)
    (folder / "config/libvirt").mkdir()
    (folder / "config/libvirt/qemu.conf").write_text('stdio_handler = "file"\n')
    env["XDG_CACHE_HOME"] = str(folder / "cache")
    return Libvirtd("session", folder, "qemu:///session", prefix, env)
