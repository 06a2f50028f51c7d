"""An SSH login with the key in the seed, and the guest's answers about itself."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.evidence.events import Call, CloudInitRecord, NicRecord, SshFailure, SshLogin
from harness.evidence.guest_text import printable
from harness.evidence.log import EvidenceLog, Observation
from harness.host.racing import racing
from harness.observe.ssh import USER, run_command

# The timeout of a login after cloud-init has ended in the guest.
_PATIENCE_S = 60.0
_MAX_NICS = 8
_MAX_VALUE_CHARS = 300

# POSIX sh and the tools that every busybox has. It waits for the end of cloud-init.
_ASK = r"""
device=$(awk '$5 == "/" { print $3; exit }' /proc/self/mountinfo)
echo "root=$(readlink -f "/sys/dev/block/$device")"
for nic in /sys/class/net/*; do
    [ -e "$nic/device" ] || continue
    echo "nic=${nic##*/} $(cat "$nic/address") $(readlink -f "$nic/device/driver")"
done
echo "kernel=$(uname -r)"
echo "os=$(. /etc/os-release && echo "$PRETTY_NAME")"
cloud-init status --wait >/dev/null 2>&1
echo "exit=$?"
echo "status=$(cloud-init status 2>/dev/null | head -n 1)"
echo "result=$(tr -d '\n' < /run/cloud-init/result.json)"
"""

# The bus of a disk by its path below /sys/devices; the first match counts. A virtio device with a
# SCSI host is virtio-scsi, one with its own block device virtio-blk.
_TRANSPORTS = (
    (re.compile(r"/virtio\d+/host\d+/"), "virtio-scsi"),
    (re.compile(r"/virtio\d+/block/"), "virtio-blk"),
    (re.compile(r"/ata\d+/"), "ata"),
    (re.compile(r"/nvme/"), "nvme"),
)


@dataclass(frozen=True, slots=True)
class Login:
    """The login to a guest: the private key, and the path of the guest's call when it is up.

    ``slowness`` is how many times slower than the reference its host is (no unit, 1 at least).
    """

    key_file: Path
    ready_path: str
    slowness: float


async def observe_login(
    log: EvidenceLog, login: Login, address: tuple[str, int], network_proved: asyncio.Event
) -> None:
    """Log in once the network is proved, and record the guest's answers or the failure.

    Times out a minute (times ``login.slowness``) after the guest's call to ``login.ready_path``.
    """
    ready = asyncio.Event()

    def hear(observation: Observation) -> None:
        event = observation.event
        if isinstance(event, Call) and event.path == login.ready_path:
            ready.set()

    log.subscribe(hear)
    await network_proved.wait()
    ask = run_command(login.key_file, *address, _ASK, timeout_s=86_400.0)
    try:
        async with racing(ask, ready.wait()) as (asking, _):
            async with asyncio.timeout(None if asking.done() else _PATIENCE_S * login.slowness):
                said = await asking
        log.record(read_answer(said.stdout))
    except (TimeoutError, ConnectionError) as error:
        why = printable(str(error), 200) or "it let nobody in after cloud-init had ended"
        log.record(SshFailure(why))


def read_answer(text: str) -> SshLogin:
    """Return what the guest answered: hostile text, bounded.

    ``root_transport`` is "" where the root file system is on no disk whose bus is told.
    """
    rows = list(_rows(text))
    values = dict(rows)
    nics = tuple(_nic(value) for name, value in rows if name == "nic")[:_MAX_NICS]
    root = values.get("root", "")
    datasource, errors = _result(values.get("result", ""))
    transport = next((name for pattern, name in _TRANSPORTS if pattern.search(root)), "")
    return SshLogin(
        user=USER,
        os=values.get("os", ""),
        kernel=values.get("kernel", ""),
        root_device=root.rpartition("/")[2] if transport else "",
        root_transport=transport,
        nics=nics,
        cloud_init=CloudInitRecord(
            exit=values.get("exit", ""),
            status=values.get("status", "").removeprefix("status: "),
            datasource=datasource,
            errors=errors,
        ),
    )


def _rows(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, found, value = line.partition("=")
        if found:
            limit = 4096 if name == "result" else _MAX_VALUE_CHARS
            yield name, value[:limit]


def _nic(value: str) -> NicRecord:
    name, mac, driver = (*value.split(), "", "", "")[:3]
    return NicRecord(name, mac, driver.rpartition("/")[2])


def _result(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the data source and the errors of ``result.json``; neither where it has none."""
    try:
        result = json.loads(text)["v1"]
        errors = tuple(str(row)[:_MAX_VALUE_CHARS] for row in result["errors"])[:_MAX_NICS]
        return str(result["datasource"])[:_MAX_VALUE_CHARS], errors
    except (ValueError, TypeError, KeyError):
        return "", ()
