"""A connection to libvirt, for a program that runs on asyncio.

libvirt-python blocks in its calls. Its event loop, once registered, serves the whole process until
its end: it has one thread, which only notifies the loops of asyncio. Calls are made in daemon
threads.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from harness.errors import HostError, LibvirtLostError, LibvirtUnreachableError, MissingToolError

Answer = TypeVar("Answer")

INSTALL_BINDING = (
    "Install it: apt-get install --no-install-recommends gcc libvirt-dev pkg-config python3-dev, "
    "then pip install 'harness[libvirt]'."
)
INSTALL_DAEMON = (
    "Install one: apt-get install --no-install-recommends "
    "libvirt-daemon-system for qemu:///system, libvirt-daemon libvirt-daemon-driver-qemu for "
    "qemu:///session."
)

# A daemon that starts for us first probes the capabilities of each QEMU of the host.
_OPEN_TIMEOUT_S = 60.0
_CLOSE_TIMEOUT_S = 10.0
# A daemon that does not answer is lost after five of these.
_KEEPALIVE_S = 5
_KEEPALIVES = 5


def binding() -> Any:
    """Return the module ``libvirt``; raises HostError (``host.missing-tool``) without it."""
    try:
        import libvirt
    except ImportError as error:
        message = f"--backend libvirt: libvirt-python is missing. {INSTALL_BINDING}"
        raise MissingToolError(message) from error
    return libvirt


@dataclass(frozen=True, slots=True)
class LibvirtLink:
    """An open connection. ``lost`` is set once libvirt or the network closes it."""

    connection: Any
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, work: Callable[[], Answer], timeout_s: float) -> Answer:
        """Return the result of ``work``, which may wait for libvirt.

        Raises HostError (``host.libvirt-lost``) where libvirt is gone or does not answer in
        ``timeout_s`` seconds, and libvirt's own error where it refuses.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await in_thread(work)
        except TimeoutError:
            raise lost_error(f"it did not answer for {timeout_s:g} s") from None
        except binding().libvirtError as error:
            if self.lost.is_set() or not self.connection.isAlive():
                raise lost_error(error_text(error)) from error
            raise


def lost_error(why: str) -> HostError:
    """Return the error for a lost connection to libvirt."""
    return LibvirtLostError(f"The connection to libvirt is lost: {why}.")


def error_text(error: Exception) -> str:
    """Return the message of an error of libvirt, without its last full stop."""
    return (str(error).strip() or type(error).__name__).removesuffix(".")


@asynccontextmanager
async def libvirt_connection(uri: str, asked: str | None = None) -> AsyncIterator[LibvirtLink]:
    """Connect to the libvirt at ``uri`` until the block is left.

    ``asked`` is the address that the user gave, where ``uri`` is another one.
    Raises HostError: ``host.missing-tool`` without libvirt-python, ``host.libvirt-unreachable``
    where nobody answers there.
    """
    libvirt = binding()
    _serve_events()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            link = LibvirtLink(await in_thread(lambda: libvirt.open(uri)))
            await in_thread(lambda: _watch(link, loop))
    except TimeoutError:
        raise _unreachable(asked or uri, f"it did not answer for {_OPEN_TIMEOUT_S:g} s") from None
    except libvirt.libvirtError as error:
        raise _unreachable(asked or uri, error_text(error)) from error
    try:
        yield link
    finally:
        with suppress(libvirt.libvirtError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await in_thread(lambda: _close(link))


def _unreachable(uri: str, why: str) -> HostError:
    message = f"--connect {uri.partition('?')[0]}: libvirt does not answer: {why}."
    if not uri.startswith("qemu+ssh:") and daemon() is None:
        message += f" {INSTALL_DAEMON}"
    return LibvirtUnreachableError(message)


def daemon() -> str | None:
    """Return the path of libvirt's daemon on this host; None where none is installed."""
    # Debian's users do not have it on their PATH.
    places = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    return shutil.which("libvirtd", path=places) or shutil.which("virtqemud", path=places)


def _watch(link: LibvirtLink, loop: asyncio.AbstractEventLoop) -> None:
    def tell(*_: object) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(link.lost.set)

    link.connection.registerCloseCallback(tell, None)
    link.connection.setKeepAlive(_KEEPALIVE_S, _KEEPALIVES)


def _close(link: LibvirtLink) -> None:
    with suppress(binding().libvirtError):
        link.connection.unregisterCloseCallback()
    link.connection.close()


@cache
def _serve_events() -> None:
    """Start libvirt's event loop, once in a process; it ends with the process."""
    libvirt = binding()
    # Its exceptions contain what it would write to stderr.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    libvirt.virEventRegisterDefaultImpl()

    def serve() -> None:
        while True:
            with suppress(libvirt.libvirtError):
                libvirt.virEventRunDefaultImpl()

    threading.Thread(target=serve, name="libvirt-events", daemon=True).start()


async def in_thread(work: Callable[[], Answer]) -> Answer:
    """Run ``work`` in a daemon thread, and return or raise its result."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def settle(step: Callable[[], None]) -> None:
        # Where the loop is closed or the future done, nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if future.done() else step())

    def run() -> None:
        try:
            answer = work()
        except Exception as error:
            told = error
            settle(lambda: future.set_exception(told))
        else:
            settle(lambda: future.set_result(answer))

    threading.Thread(target=run, name="libvirt-call", daemon=True).start()
    return await future
