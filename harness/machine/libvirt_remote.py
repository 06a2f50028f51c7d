"""A machine as a domain of a libvirt on another host.

QEMU's sockets there are forwarded to ours over SSH; its files are in a folder there, which is
removed at the end. The observers see no difference but the latency.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from harness.errors import LibvirtUnreachableError, MissingToolError, UsageError
from harness.host.programs import MIN_QEMU
from harness.machine.acceleration import TCG_CPU_MODEL, Acceleration, AcceleratorChoice
from harness.machine.domain_xml import domain_xml
from harness.machine.libvirt import DomainMachine, choose_placement, running_domain
from harness.machine.libvirt_link import libvirt_connection
from harness.machine.machine import MachineDefinition
from harness.machine.remote_host import RemoteHost, libvirt_socket, remote_login
from harness.machine.spec import DirectKernel, Endpoints, MachineSpec
from harness.seed.delivery import SeedDrive

_CALL_TIMEOUT_S = 60.0


def remote_acceleration(uri: str, choice: AcceleratorChoice) -> Acceleration:
    """Return the accelerator for ``choice`` on the host of ``uri``, and its version of QEMU.

    Raises UsageError for ``auto``, HostError where that host is not reached or its QEMU too old.
    """
    if choice == "auto":
        raise UsageError(
            "--accel auto: asks this host; of the one at the other end of ssh say --accel kvm or "
            "--accel tcg."
        )

    async def ask() -> str:
        async with remote_login(uri) as host:
            return host.qemu

    version = asyncio.run(ask())
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_QEMU:
        message = f"QEMU {'.'.join(map(str, MIN_QEMU))} or newer is needed there, not {version}."
        raise MissingToolError(message)
    # The clock measures how slow that host is by its firmware, in the run.
    model = TCG_CPU_MODEL if choice == "tcg" else "host"
    return Acceleration(choice, model, 1.0, "", version)


@dataclass(frozen=True, slots=True)
class RemoteMachine(DomainMachine):
    """A machine on another host."""

    host: RemoteHost = field(kw_only=True)

    async def dump(self, command: str, **arguments: int | str) -> bytes:
        """Return the file that QEMU writes for ``command`` there."""
        import asyncssh

        path = str(self.host.folder / f"dump-{next(self._dumps)}")
        if command == "screendump":
            # A tenth of the bytes of a PPM.
            arguments.setdefault("format", "png")
        try:
            await self.command(command, filename=path, **arguments)
            async with self.host.files.open(path, "rb") as file:
                data: Any = await file.read()
            await self.host.files.remove(path)
        except asyncssh.Error as error:
            raise OSError(str(error)) from error
        return bytes(data)

    async def knock_address(self) -> tuple[str, int]:
        """Return host and port of a forward here that leads to the one there."""
        # Named: dataclass replaces a class with slots, and a bare super() would mean the old one.
        host, port = await super(RemoteMachine, self).knock_address()
        forward = await self.host.connection.forward_local_port("127.0.0.1", 0, host, port)
        return "127.0.0.1", forward.get_port()


@asynccontextmanager
async def launch_remote_domain(
    uri: str, spec: MachineSpec, endpoints: Endpoints
) -> AsyncIterator[RemoteMachine]:
    """Run a machine on the host of ``uri``, stopped before its first instruction.

    It ends when the block is left, and all files sent there are removed. Raises HostError where it
    does not start.
    """
    import asyncssh

    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(remote_login(uri))
        try:
            there = await _upload(host, spec)
            endpoints_there = await _forwarded_endpoints(host, endpoints)
            socket = endpoints.qmp_socket.with_name("libvirt.sock")
            await host.connection.forward_local_path(str(socket), libvirt_socket(uri))
        except (asyncssh.Error, OSError, TimeoutError) as error:
            what = f"The machine could not be brought to {uri.partition('?')[0]}: {error}."
            raise LibvirtUnreachableError(what) from error
        here = f"qemu+unix:///system?socket={socket}"
        link = await stack.enter_async_context(libvirt_connection(here, uri))
        online = (await link.call(link.connection.getCPUMap, _CALL_TIMEOUT_S))[1]
        processors = [number for number, is_on in enumerate(online) if is_on]
        placement = await choose_placement(link, there, host.owner, host.emulator, processors)
        xml = domain_xml(there, endpoints_there, placement)
        qmp, domain = await stack.enter_async_context(running_domain(link, xml, endpoints))
        endpoints.capture_file.touch()
        following = asyncio.create_task(
            host.follow(endpoints_there.capture_file, endpoints.capture_file)
        )
        try:
            yield RemoteMachine(
                qmp,
                endpoints,
                MachineDefinition("domain.xml", xml),
                link,
                domain,
                endpoints.stderr_log,
                host=host,
            )
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _upload(host: RemoteHost, spec: MachineSpec) -> MachineSpec:
    """Copy the files of the machine to that host; return its spec there."""
    overlay = host.folder / "overlay.qcow2"
    await host.run(
        "qemu-img", "create", "-q", "-f", "qcow2", str(overlay), str(spec.disk_size_bytes)
    )
    flash, direct, seed = spec.firmware, spec.direct, spec.seed
    if flash:
        flash = replace(
            flash,
            code=await host.send(flash.code, "uefi-code"),
            variables=flash.variables and await host.send(flash.variables, "uefi-variables"),
        )
    if direct:
        direct = DirectKernel(
            await host.send(direct.kernel, "kernel"),
            await host.send(direct.initrd, "initrd"),
            direct.cmdline,
        )
    if isinstance(seed, SeedDrive):
        seed = replace(seed, image=await host.send(seed.image, "seed.iso"))
    return replace(
        spec,
        image=spec.image and await host.send(spec.image, "image"),
        iso=spec.iso and await host.send(spec.iso, "installer.iso"),
        seed=seed,
        overlay=overlay,
        firmware=flash,
        direct=direct,
    )


async def _forwarded_endpoints(host: RemoteHost, endpoints: Endpoints) -> Endpoints:
    """Return sockets on that host that are forwarded to ours, and QEMU's files there."""
    there = {}
    for name in (row.name for row in fields(Endpoints)):
        here = getattr(endpoints, name)
        there[name] = here and host.folder / Path(here).name
        if name.endswith("_socket") and here:
            await host.connection.forward_remote_path(str(there[name]), str(here))
    return Endpoints(**there)
