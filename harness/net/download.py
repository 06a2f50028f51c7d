"""Downloads of whole files into a cache that all runs share.

Each link has a folder with a lock. In it is ``image-KEY``, where KEY is derived from the version
that the server states (ETag, or date and size), and ``image-KEY.part`` while it is incomplete. A
file with its final name is complete and never written to again, so readers need no lock.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import aiohttp
from yarl import URL

from harness.errors import HarnessError, NoSpaceError
from harness.host.folders import cache_folder
from harness.image.digest import digest_of, sha256_of
from harness.net.checksum_files import checksum_beside, named_checksum
from harness.net.checksums import Checksum
from harness.net.http import (
    check_page,
    check_status,
    connection_error,
    declared_size,
    follow_redirects,
    http_client,
    parse_content_range,
    parse_url,
    strong_etag,
)
from harness.net.link import LinkError

_log = logging.getLogger(__name__)

STALL_S = 60.0
"""A download that receives less than ``STALL_BYTES`` in this time is aborted."""
STALL_BYTES = 64 << 10
RETRIES = 5
"""The maximum number of consecutive retries without progress of an interrupted download."""

_CHUNK_BYTES = 1 << 20
_LOCK_POLL_S = 0.2
_RETRY_S = 0.5
# Free space that a download leaves for the overlay of the run.
_SPARE_BYTES = 1 << 30

Progress = Callable[[int, int | None], None]
"""A callback with the bytes received and the total (None where the server does not state it)."""


class ChecksumError(HarnessError):
    """A complete file that does not match its checksum."""

    exit_status = 1

    def __init__(self, source: str, expected: str, found: str) -> None:
        super().__init__(f"{source} names {expected}, the file has {found}")
        self.source, self.expected, self.found = source, expected, found


@dataclass(frozen=True, slots=True)
class Download:
    """A complete file, kept in the cache while ``lock_file`` is open.

    ``verified_by`` names the source of the checksum that it matches, "" where it was not verified.
    """

    path: Path
    lock_file: BinaryIO
    sha256: str
    verified_by: str
    from_cache: bool


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """The limits of a download. ``max_bytes`` applies to files without a stated size, too."""

    max_bytes: int
    stall_s: float = STALL_S
    retries: int = RETRIES


def cache_root() -> Path:
    """The folder of downloads."""
    return cache_folder() / "downloads"


async def download(
    text: str, limits: DownloadLimits, progress: Progress, expected: Checksum | str | None = None
) -> Download:
    """Fetch the file of a link, or find it in the cache, and verify its checksum.

    The checksum is ``expected``, or the one in the checksum file that it names (a link, or a name
    beside the file); else the one in a ``SHA256SUMS`` or similar beside the file, if any. Raises
    LinkError for a fault of the link or of the named checksum file, ChecksumError for a mismatch,
    HostError where this host has no space or no network.
    """
    url = parse_url(text)
    folder = cache_root() / hashlib.sha256(str(url).encode()).hexdigest()[:24]
    async with http_client() as session:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(expected, str):
                expected = await named_checksum(session, url, expected)
            async with _locked(folder):
                transfer = _Transfer(session, url, folder, limits, progress)
                path = await transfer.run()
                lock_file = path.open("rb")
                fcntl.flock(lock_file, fcntl.LOCK_SH)
                digest = await asyncio.to_thread(sha256_of, path)
                checksum = expected or await checksum_beside(session, transfer.final)
                try:
                    if checksum:
                        await _verify(path, digest, checksum)
                except ChecksumError:
                    lock_file.close()
                    path.unlink(missing_ok=True)
                    raise
                source = checksum.source if checksum else ""
                return Download(path, lock_file, digest, source, transfer.from_cache)
        except OSError as error:
            raise _host_error(error, folder) from error


@asynccontextmanager
async def _locked(folder: Path) -> AsyncIterator[None]:
    """Hold the lock of ``folder``; wait for another run that fetches the same link."""
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


class _Transfer:
    """A download into a folder whose lock is held."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        folder: Path,
        limits: DownloadLimits,
        progress: Progress,
    ) -> None:
        self._session, self._url, self._folder = session, url, folder
        self._limits, self._progress = limits, progress
        self.final = url
        self.from_cache = False

    async def run(self) -> Path:
        """Fetch the file, with retries, and return its path."""
        tries_without_progress = 0
        while True:
            before = self._bytes_on_disk()
            try:
                return await self._attempt()
            except (LinkError, aiohttp.ClientError, TimeoutError) as error:
                if isinstance(error, LinkError) and not error.transient:
                    raise
                tries_without_progress = (
                    0 if self._bytes_on_disk() > before else tries_without_progress + 1
                )
                if tries_without_progress > self._limits.retries:
                    if isinstance(error, LinkError):
                        raise
                    raise connection_error(error, self._url) from error
                _log.info("the download broke off, and is resumed: %s", error)
                await asyncio.sleep(_RETRY_S)

    def _bytes_on_disk(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("*.part"))

    async def _attempt(self) -> Path:
        """Send one request for the missing bytes; return the path of the complete file."""
        part, headers = self._resumable()
        async with follow_redirects(self._session, "GET", self._url, headers) as response:
            if part is not None and response.status == 416:
                part.unlink()
                raise LinkError("unreachable", "the server has less than before", transient=True)
            check_status(response)
            self.final = response.url
            given = parse_content_range(response.headers.get("Content-Range", ""))
            start = 0
            if response.status == 206 and given is not None:
                start, _, total = given
            else:
                total, _ = declared_size(response)
            key = _key(response, total)
            path = self._folder / f"image-{key}"
            if path.exists():
                self.from_cache = True
                _log.info("%s is in the cache", path)
                return path
            target = path.with_suffix(".part")
            if start and (part is None or target != part or start != part.stat().st_size):
                raise LinkError("unreachable", "the file has changed on the server", transient=True)
            _remove_others(self._folder, keep=target)
            self._check_space(target, total)
            _log.info("fetching %s from byte %d, of %s", target, start, total or "unknown size")
            await self._receive(response, target, start, total)
            _log.info("fetched %s", path)
            target.replace(path)
            return path

    def _resumable(self) -> tuple[Path | None, dict[str, str]]:
        """A partial file with a strong ETag and the headers that resume it; else None and {}."""
        for part in self._folder.glob("*.part"):
            note = part.with_suffix(".etag")
            if part.stat().st_size and note.exists():
                headers = {
                    "Range": f"bytes={part.stat().st_size}-",
                    "If-Range": note.read_text(encoding="utf-8"),
                }
                return part, headers
        return None, {}

    def _check_space(self, target: Path, total: int | None) -> None:
        present_bytes = target.stat().st_size if target.exists() else 0
        free_bytes = shutil.disk_usage(self._folder).free
        required = (total or 0) - present_bytes + _SPARE_BYTES
        if required > free_bytes:
            raise NoSpaceError(
                f"{self._folder}: {free_bytes >> 20} MiB are free, the download wants "
                f"{required >> 20} MiB.",
                "Free some space, or set XDG_CACHE_HOME to a folder on a larger disk.",
            )

    async def _receive(
        self, response: aiohttp.ClientResponse, target: Path, start: int, total: int | None
    ) -> None:
        tag = strong_etag(response)
        if tag:
            target.with_suffix(".etag").write_text(tag, encoding="utf-8")
        received = start
        loop = asyncio.get_running_loop()
        mark_s, mark_bytes = loop.time(), start
        with target.open("ab" if start else "wb") as file:
            while True:
                chunk = await self._next_chunk(response, total)
                if not chunk:
                    break
                if received == 0:
                    check_page(response.headers.get("Content-Type", ""), chunk)
                file.write(chunk)
                received += len(chunk)
                self._progress(received, total)
                if received > min(self._limits.max_bytes, total or self._limits.max_bytes):
                    what = f"the server gives more than {received - len(chunk)} bytes, and no end"
                    raise LinkError("unreachable", what)
                if loop.time() - mark_s > self._limits.stall_s:
                    if received - mark_bytes < STALL_BYTES:
                        what = (
                            f"the server is too slow: {received - mark_bytes} bytes in "
                            f"{self._limits.stall_s:.0f} s"
                        )
                        raise LinkError("unreachable", what)
                    mark_s, mark_bytes = loop.time(), received
        if total is not None and received < total:
            what = f"the server promises {total} bytes and ends after {received}"
            raise LinkError("unreachable", what, transient=True)
        target.with_suffix(".etag").unlink(missing_ok=True)

    async def _next_chunk(self, response: aiohttp.ClientResponse, total: int | None) -> bytes:
        """The next bytes; b"" at the end of the file or of the connection."""
        try:
            async with asyncio.timeout(self._limits.stall_s):
                return await response.content.read(_CHUNK_BYTES)
        except aiohttp.ClientPayloadError:
            if total is None:
                raise
            return b""


def _key(response: aiohttp.ClientResponse, total: int | None) -> str:
    """A key for this version of the file; a random one where the server states no version."""
    facts = (
        strong_etag(response) or response.headers.get("ETag", ""),
        response.headers.get("Last-Modified", ""),
        total,
    )
    if not facts[0] and not facts[1]:
        return f"unversioned-{os.urandom(8).hex()}"
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


def _remove_others(folder: Path, keep: Path) -> None:
    """Remove other versions and partial files from ``folder``, except those that a run locks."""
    for path in folder.glob("image-*"):
        if path.with_suffix(".part") == keep:
            continue
        with path.open("rb") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)


async def _verify(path: Path, sha256: str, expected: Checksum) -> None:
    """Raise ChecksumError where the file at ``path`` does not match ``expected``."""
    if expected.algorithm == "sha256":
        found = sha256
    else:
        found = await asyncio.to_thread(digest_of, path, expected.algorithm)
    if found != expected.hex:
        raise ChecksumError(expected.source, expected.hex, found)


def _host_error(error: OSError, folder: Path) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        statement = f"{folder}: the disk is full."
    elif error.errno == errno.EFBIG:
        statement = f"{folder}: the download is larger than a file may be here (ulimit -f)."
    else:
        statement = f"{folder}: the download cannot be kept there: {error.strerror}."
    remedy = "Free some space, or set XDG_CACHE_HOME to a folder on a larger disk."
    return NoSpaceError(statement, remedy)
