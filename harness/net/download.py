"""A file behind a link, fetched whole into a cache that runs share.

One folder a link, one lock a folder; in it ``image-KEY``, where KEY stands for what the server
said of the file (ETag, or date and size), and ``image-KEY.part`` while it is incomplete. A file
under its final name is complete and never written to again, so that readers need no lock.
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
from harness.net.checksums import Checksum
from harness.net.http import (
    check_page,
    check_status,
    client,
    follow,
    parse_content_range,
    parse_url,
    promised_size,
    translate,
    validator,
)
from harness.net.link import LinkError
from harness.net.vouch import beside, promised

_log = logging.getLogger(__name__)

STALL_S = 60.0
"""A download that gives less than ``STALL_BYTES`` in this time is given up."""
STALL_BYTES = 64 << 10
RETRIES = 5
"""How often a download that was cut is resumed without a byte of progress in between."""

_CHUNK_BYTES = 1 << 20
_LOCK_POLL_S = 0.2
_RETRY_S = 0.5
# Left on the disk for the overlay of the run that follows.
_SPARE_BYTES = 1 << 30

Progress = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many (None where the server does not say)."""


class ChecksumError(HarnessError):
    """The file is complete, and not the one that its checksum names."""

    exit_status = 1

    def __init__(self, source: str, expected: str, found: str) -> None:
        super().__init__(f"{source} names {expected}, the file has {found}")
        self.source, self.expected, self.found = source, expected, found


@dataclass(frozen=True, slots=True)
class Download:
    """A complete file, kept in the cache while ``held`` is open.

    ``verified_by`` names what its checksum was held against, or is "".
    """

    path: Path
    held: BinaryIO
    sha256: str
    verified_by: str
    from_cache: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much: ``max_bytes`` also ends a file whose server does not say its size."""

    max_bytes: int
    stall_s: float = STALL_S
    retries: int = RETRIES


def cache_root() -> Path:
    """The folder of downloads."""
    return cache_folder() / "downloads"


async def download(
    text: str, limits: Limits, progress: Progress, expected: Checksum | str | None = None
) -> Download:
    """Fetch the link whole, or take it from the cache; then hold it against a checksum.

    That is ``expected``, or what is in the checksum file that it names (a link, or a name beside
    the file), else what a ``SHA256SUMS`` or the like beside the file says, where there is one.
    Raises LinkError for a fault of the link or of the named checksum file, ChecksumError where the
    file is another one, HostError where this host has no room or no network.
    """
    url = parse_url(text)
    folder = cache_root() / hashlib.sha256(str(url).encode()).hexdigest()[:24]
    async with client() as session:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(expected, str):
                expected = await promised(session, url, expected)
            async with _locked(folder):
                fetch = _Fetch(session, url, folder, limits, progress)
                path = await fetch.run()
                held = path.open("rb")
                fcntl.flock(held, fcntl.LOCK_SH)
                digest = await asyncio.to_thread(sha256_of, path)
                checksum = expected or await beside(session, fetch.final)
                try:
                    if checksum:
                        await _hold(path, digest, checksum)
                except ChecksumError:
                    held.close()
                    path.unlink(missing_ok=True)
                    raise
                source = checksum.source if checksum else ""
                return Download(path, held, digest, source, fetch.from_cache)
        except OSError as error:
            raise _host_error(error, folder) from error


@asynccontextmanager
async def _locked(folder: Path) -> AsyncIterator[None]:
    """Alone in ``folder``: another run that fetches the same link is waited for."""
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


class _Fetch:
    """One download into a folder that nobody else writes to."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        folder: Path,
        limits: Limits,
        progress: Progress,
    ) -> None:
        self._session, self._url, self._folder = session, url, folder
        self._limits, self._progress = limits, progress
        self.final = url
        self.from_cache = False

    async def run(self) -> Path:
        """The complete file."""
        fruitless = 0
        while True:
            before = self._bytes_on_disk()
            try:
                return await self._attempt()
            except (LinkError, aiohttp.ClientError, TimeoutError) as error:
                if isinstance(error, LinkError) and not error.passing:
                    raise
                fruitless = 0 if self._bytes_on_disk() > before else fruitless + 1
                if fruitless > self._limits.retries:
                    if isinstance(error, LinkError):
                        raise
                    raise translate(error, self._url) from error
                _log.info("the download broke off, and is resumed: %s", error)
                await asyncio.sleep(_RETRY_S)

    def _bytes_on_disk(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("*.part"))

    async def _attempt(self) -> Path:
        """One request for what is missing; what is not asked for anew is kept."""
        part, headers = self._resumable()
        async with follow(self._session, "GET", self._url, headers) as response:
            if part is not None and response.status == 416:
                part.unlink()
                raise LinkError("unreachable", "the server has less than before", passing=True)
            check_status(response)
            self.final = response.url
            given = parse_content_range(response.headers.get("Content-Range", ""))
            start = 0
            if response.status == 206 and given is not None:
                start, _, total = given
            else:
                total, _ = promised_size(response)
            key = _key(response, total)
            path = self._folder / f"image-{key}"
            if path.exists():
                self.from_cache = True
                _log.info("%s is in the cache", path)
                return path
            target = path.with_suffix(".part")
            if start and (part is None or target != part or start != part.stat().st_size):
                raise LinkError("unreachable", "the file has changed on the server", passing=True)
            _clear(self._folder, keep=target)
            self._check_space(target, total)
            _log.info("fetching %s from byte %d, of %s", target, start, total or "unknown size")
            await self._receive(response, target, start, total)
            _log.info("fetched %s", path)
            target.replace(path)
            return path

    def _resumable(self) -> tuple[Path | None, dict[str, str]]:
        """A part that a strong validator lets us go on with, and the headers that ask for it."""
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
        there = target.stat().st_size if target.exists() else 0
        free_bytes = shutil.disk_usage(self._folder).free
        wanted = (total or 0) - there + _SPARE_BYTES
        if wanted > free_bytes:
            raise NoSpaceError(
                f"{self._folder}: {free_bytes >> 20} MiB are free, the download wants "
                f"{wanted >> 20} MiB.",
                "Free some space, or set XDG_CACHE_HOME to a folder on a larger disk.",
            )

    async def _receive(
        self, response: aiohttp.ClientResponse, target: Path, start: int, total: int | None
    ) -> None:
        tag = validator(response)
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
            raise LinkError("unreachable", what, passing=True)
        target.with_suffix(".etag").unlink(missing_ok=True)

    async def _next_chunk(self, response: aiohttp.ClientResponse, total: int | None) -> bytes:
        """What comes next; nothing at the end, and where the server ends too early."""
        try:
            async with asyncio.timeout(self._limits.stall_s):
                return await response.content.read(_CHUNK_BYTES)
        except aiohttp.ClientPayloadError:
            if total is None:
                raise
            return b""


def _key(response: aiohttp.ClientResponse, total: int | None) -> str:
    """Stands for this version of the file. Without anything to tell by: for this moment's."""
    facts = (
        validator(response) or response.headers.get("ETag", ""),
        response.headers.get("Last-Modified", ""),
        total,
    )
    if not facts[0] and not facts[1]:
        return f"unversioned-{os.urandom(8).hex()}"
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


def _clear(folder: Path, keep: Path) -> None:
    """Remove older versions and parts, but for those that a run holds."""
    for path in folder.glob("image-*"):
        if path.with_suffix(".part") == keep:
            continue
        with path.open("rb") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)


async def _hold(path: Path, sha256: str, expected: Checksum) -> None:
    """Raise ChecksumError where the file at ``path`` is not the one that is ``expected``."""
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
