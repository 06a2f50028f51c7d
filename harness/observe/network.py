"""Observers of the NIC: the frames of the guest, and connections to its address in the seed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from inotify_simple import INotify, flags

from harness.evidence import events
from harness.evidence.log import EvidenceLog
from harness.observe.frames import CaptureReader, EthernetFrame, read_frame

# Each connection attempt makes the router send an ARP request until it knows the guest. The ARP
# reply of the guest is what counts; the attempt only provokes it.
_KNOCK_PERIOD_S = 0.25
_KNOCK_TIMEOUT_S = 5.0
_BANNER_BYTES = 256
# The largest number of distinct frames to record: a guest may invent addresses for ever.
_MAX_DISTINCT = 256
MAX_CAPTURE_BYTES = 64 << 20
"""The capture ends there: a guest that floods its NIC must not fill the host's disk."""

# The router of QEMU's user networking sends from 52:55 and its IPv4 address
# (libslirp, src/slirp.c, special_ethaddr).
_ROUTER_MAC_PREFIX = "52:55:"


class FrameObserver:
    """The reader of the capture file, which records each distinct frame of the guest once."""

    def __init__(self, log: EvidenceLog, capture_file: Path) -> None:
        self._log = log
        self._file = capture_file.open("rb")
        self._reader = CaptureReader()
        self._seen: set[EthernetFrame] = set()
        self._read_bytes = 0
        self.guest_frames = 0
        """The number of frames that the guest has sent so far."""

    @property
    def full(self) -> bool:
        """True where the capture has reached its largest size."""
        return self._read_bytes >= MAX_CAPTURE_BYTES

    def read_new(self) -> None:
        """Read the bytes written to the file since the last call."""
        while chunk := self._file.read(1 << 16):
            self._read_bytes += len(chunk)
            for raw in self._reader.feed(chunk):
                self._take(read_frame(raw))

    def _take(self, frame: EthernetFrame) -> None:
        if frame.source_mac.startswith(_ROUTER_MAC_PREFIX):
            return
        self.guest_frames += 1
        if frame in self._seen or len(self._seen) >= _MAX_DISTINCT:
            return
        self._seen.add(frame)
        self._log.record(
            events.Frame(
                what=frame.kind,
                mac=frame.source_mac,
                source=frame.source,
                target=frame.target,
                number=self.guest_frames,
            )
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


async def follow_capture(observer: FrameObserver, capture_file: Path) -> None:
    """Read the capture whenever QEMU writes to it, until it is full.

    inotify(7) reports each write, so no polling delays the record of a frame.
    """
    written = asyncio.Event()
    with INotify(nonblocking=True) as inotify:
        inotify.add_watch(str(capture_file), flags.MODIFY)

        def drain() -> None:
            inotify.read(timeout=0)
            written.set()

        loop = asyncio.get_running_loop()
        loop.add_reader(inotify.fileno(), drain)
        try:
            observer.read_new()
            while not observer.full:
                await written.wait()
                written.clear()
                observer.read_new()
        finally:
            loop.remove_reader(inotify.fileno())


async def knock(log: EvidenceLog, host: str, port: int, answered: asyncio.Event) -> None:
    """Connect to the guest's port again and again until it has ``answered``; record its banner.

    A successful connection proves nothing, since the router accepts it itself: only received
    bytes come from the guest.
    """
    pending: set[asyncio.Task[bytes]] = set()
    try:
        while not answered.is_set():
            pending.add(asyncio.create_task(knock_once(host, port)))
            done, pending = await asyncio.wait(pending, timeout=_KNOCK_PERIOD_S)
            for banner in (task.result() for task in done):
                if banner:
                    text = banner.decode("utf-8", errors="replace")
                    log.record(events.Banner(text))
            if done:
                # Refused or closed at once: keep the period all the same.
                await asyncio.sleep(_KNOCK_PERIOD_S)
    finally:
        for task in pending:
            task.cancel()


async def knock_once(host: str, port: int) -> bytes:
    """Return the first bytes received within 5 seconds; b"" without any."""
    writer = None
    try:
        async with asyncio.timeout(_KNOCK_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            return await reader.read(_BANNER_BYTES)
    except (OSError, TimeoutError):
        return b""
    finally:
        if writer is not None:
            writer.close()
