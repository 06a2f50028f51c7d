"""A machine as a transient domain of libvirt, which ends with our connection.

libvirt starts, confines and ends QEMU. The state of the machine comes from QEMU itself, over our
own monitor beside libvirt's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qemu.qmp import QMPClient, QMPError, Runstate

from harness.errors import HostError, QemuError
from harness.host.folders import program_cache_folder
from harness.host.programs import find_qemu
from harness.host.racing import first_of
from harness.machine.domain_xml import Placement, domain_xml
from harness.machine.libvirt_link import (
    LibvirtLink,
    binding,
    error_text,
    libvirt_connection,
    lost_error,
)
from harness.machine.machine import Machine, MachineDefinition, ProcessEnd, last_words
from harness.machine.overlay import create_overlay
from harness.machine.spec import Endpoints, MachineSpec
from harness.machine.start_fault import start_fault

_log = logging.getLogger(__name__)

# libvirt first probes QEMU's capabilities, where it has not cached them.
_START_TIMEOUT_S = 180.0
_CALL_TIMEOUT_S = 60.0
_QUIT_TIMEOUT_S = 10.0
_MAX_LOG_BYTES = 1 << 20
# stat(2): st_blocks.
_BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True)
class DomainMachine(Machine):
    """A machine that libvirt has started. ``log_file`` is libvirt's log of QEMU's output.

    ``overlay`` is the file of its disk, None where that is on another host; ``empty_bytes`` is its
    size before anything is written.
    """

    link: LibvirtLink
    domain: Any
    log_file: Path
    overlay: Path | None = None
    empty_bytes: int = 0

    async def power_on(self) -> None:
        """Let the guest run."""
        try:
            await self.link.call(self.domain.resume, _CALL_TIMEOUT_S)
        except binding().libvirtError as error:
            raise QemuError(f"libvirt did not let the guest run: {error_text(error)}.") from error

    @property
    def has_ended(self) -> bool:
        """True where QEMU has ended: its monitor is closed."""
        return self.qmp.runstate is not Runstate.RUNNING

    async def ended(self) -> ProcessEnd:
        """Wait until QEMU has ended; only libvirt gets its exit status.

        Raises HostError (``host.libvirt-lost``) where libvirt ends first.
        """
        await first_of(_closed(self.qmp), self.link.lost.wait())
        # Where both connections are gone, it is libvirt that is lost.
        with suppress(binding().libvirtError):
            await self.link.call(self.domain.state, _CALL_TIMEOUT_S)
        if self.link.lost.is_set():
            raise lost_error("it has ended, or was restarted")
        return ProcessEnd(None, qemu_lines(last_words(self.log_file)))

    def allocated_bytes(self) -> int:
        """Return the number of bytes that the file of its disk has grown by.

        libvirt ends QEMU at once when the guest switches the machine off, so QEMU may no longer
        answer; the file of the disk remains.
        """
        return allocated_bytes(self.overlay) - self.empty_bytes if self.overlay else 0

    async def cpu_s(self) -> float:
        """Return the processor time that it took so far; 0.0 where it has ended."""
        try:
            info = await self.link.call(self.domain.info, _CALL_TIMEOUT_S)
        except binding().libvirtError:
            return 0.0
        return float(info[4]) / 1e9


@asynccontextmanager
async def launch_domain(
    uri: str, spec: MachineSpec, endpoints: Endpoints
) -> AsyncIterator[DomainMachine]:
    """Run a machine, stopped before its first instruction, until the block is left.

    It also ends where this program or libvirt is killed: libvirt ends it with our connection, and
    we end it where libvirt is lost. Raises HostError where it does not start.
    """
    async with libvirt_connection(uri) as link:
        await create_overlay(spec)
        is_system = urlsplit(uri).path == "/system"
        owner = (os.geteuid(), os.getegid()) if is_system else None
        placement = await choose_placement(
            link, spec, owner, find_qemu(), sorted(os.sched_getaffinity(0))
        )
        xml = domain_xml(spec, endpoints, placement)
        log_file = _log_folder(uri) / f"{placement.name}.log"
        try:
            async with running_domain(link, xml, endpoints) as (qmp, domain):
                origin = MachineDefinition("domain.xml", xml)
                yield DomainMachine(
                    qmp,
                    endpoints,
                    origin,
                    link,
                    domain,
                    log_file,
                    overlay=spec.overlay,
                    empty_bytes=allocated_bytes(spec.overlay),
                )
        finally:
            _take_log(log_file, endpoints.stderr_log)


@asynccontextmanager
async def running_domain(
    link: LibvirtLink, xml: str, endpoints: Endpoints
) -> AsyncIterator[tuple[QMPClient, Any]]:
    """Run the domain ``xml``, paused, with our monitor connected, until the block is left."""
    qmp = QMPClient("harness")
    await qmp.start_server(str(endpoints.qmp_socket))
    domain = None
    try:
        domain = await _start(link, qmp, xml)
        yield qmp, domain
    finally:
        await _end(link, qmp, domain)


async def choose_placement(
    link: LibvirtLink,
    spec: MachineSpec,
    owner: tuple[int, int] | None,
    emulator: Path,
    processors: list[int],
) -> Placement:
    """Return the placement with which QEMU can read our files and no file changes its owner.

    Under TCG all processors of the guest share one of ``processors``, chosen at random
    (docs/decisions/0021).
    """
    model = (await link.call(link.connection.getSecurityModel, _CALL_TIMEOUT_S))[0]
    name = uuid.uuid4()
    return Placement(
        name=f"harness-{name.hex[:12]}",
        uuid=str(name),
        emulator=emulator,
        owner=owner,
        unconfined="" if model in ("", "none", "dac") else str(model),
        processor=secrets.choice(processors) if spec.accelerator == "tcg" else None,
    )


async def _start(link: LibvirtLink, qmp: QMPClient, xml: str) -> Any:
    """Start the domain; return it once our monitor is connected."""
    libvirt = binding()
    flags = libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY
    accepting = asyncio.create_task(qmp.accept())
    _log.info("start a domain of libvirt:\n%s", xml)
    try:
        domain = await link.call(lambda: link.connection.createXML(xml, flags), _START_TIMEOUT_S)
        async with asyncio.timeout(_CALL_TIMEOUT_S):
            await asyncio.shield(accepting)
        _log.info("the domain runs, stopped before the first instruction")
    except libvirt.libvirtError as error:
        raise start_fault(error_text(error), "libvirt does not say why") from error
    except (QMPError, EOFError, OSError, TimeoutError) as error:
        what = f"QEMU's monitor did not come up: {type(error).__name__}."
        raise QemuError(what) from error
    finally:
        accepting.cancel()
        with suppress(asyncio.CancelledError, QMPError, EOFError, OSError):
            await accepting
    return domain


async def _end(link: LibvirtLink, qmp: QMPClient, domain: Any) -> None:
    """End QEMU through libvirt, and through our monitor where libvirt is gone."""
    if domain is not None:
        with suppress(HostError, binding().libvirtError):
            await link.call(domain.destroy, _CALL_TIMEOUT_S)
        with suppress(QMPError, EOFError, OSError, TimeoutError):
            async with asyncio.timeout(_QUIT_TIMEOUT_S):
                await qmp.execute("quit")
        with suppress(TimeoutError):
            async with asyncio.timeout(_QUIT_TIMEOUT_S):
                await _closed(qmp)
        _log.info("the domain has ended")
    with suppress(QMPError, EOFError, OSError):
        await qmp.disconnect()


async def _closed(qmp: QMPClient) -> None:
    """Wait until the other end of the monitor is gone."""
    while qmp.runstate is Runstate.RUNNING:
        await qmp.runstate_changed()


def _log_folder(uri: str) -> Path:
    """Return the folder of libvirt's logs of QEMU (libvirt.org, "Logging", "drvqemu")."""
    if urlsplit(uri).path == "/system":
        return Path("/var/log/libvirt/qemu")
    return program_cache_folder("libvirt") / "qemu" / "log"


def allocated_bytes(file: Path) -> int:
    """Return the bytes that ``file`` takes on its disk; 0 where it is gone."""
    try:
        return file.stat().st_blocks * _BLOCK_BYTES
    except OSError:
        return 0


def _take_log(log_file: Path, target: Path) -> None:
    """Move libvirt's log of the domain to the run; other users cannot read root's log."""
    with suppress(OSError):
        with log_file.open("rb") as file:
            target.write_bytes(file.read(_MAX_LOG_BYTES))
        log_file.unlink()


def qemu_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines of libvirt's log that QEMU wrote."""
    return tuple(line for line in lines if "qemu-system-x86_64: " in line)
