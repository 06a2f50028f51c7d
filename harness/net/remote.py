"""A file behind a link as a byte source, read by range requests.

All requests share one deadline and one budget, so a server that is slow, wrong or endless ends in
an error message and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Self, TypeVar

import aiohttp

from harness.image.source import UNKNOWN_SIZE_BYTES, OutOfReachError
from harness.net.http import (
    check_page,
    check_status,
    connection_error,
    declared_size,
    follow_redirects,
    http_client,
    parse_content_range,
    parse_url,
    private_address,
    read_up_to,
    strong_etag,
)
from harness.net.link import HeadResponse, LinkError, LinkFacts, without_password

DEADLINE_S = 30.0
"""The time limit for all requests of a static check together."""
BUDGET_BYTES = 960 << 10
"""The maximum that a static check fetches."""

_BLOCK_BYTES = 32 << 10
_HEAD_BYTES = 96 << 10
_LARGE_BUDGET_BYTES = 8 << 20
_IN_ORDER_BLOCKS = 4
_MAX_AHEAD_BLOCKS = 128

T = TypeVar("T")


class RemoteFile:
    """A file behind a link as a source: a context manager that sets ``facts`` when entered.

    Entering raises LinkError, HostError or UsageError; ``read_at`` raises OutOfReachError for
    bytes that the server does not give by range or that are over the budget.
    """

    def __init__(
        self, text: str, deadline_s: float = DEADLINE_S, budget_bytes: int = BUDGET_BYTES
    ) -> None:
        self._url = parse_url(text)
        self.location = without_password(text)
        self.size_bytes = UNKNOWN_SIZE_BYTES
        self.bytes_read = 0
        self._deadline_s = deadline_s
        self._budget_bytes = budget_bytes
        self._blocks: dict[int, bytes] = {}
        self._prefix = b""
        self._fetched_to = 0
        self._ahead_blocks = 1
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        try:
            self._ends_at_s = self._runner.get_loop().time() + self._deadline_s
            self.facts = self._run(self._open())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def read_at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``; fewer, or none, only at the end of the file."""
        end = min(offset + length, self.size_bytes)
        if offset >= end:
            return b""
        if end <= len(self._prefix):
            return self._prefix[offset:end]
        if not self.facts.ranges or self.facts.size_bytes is None:
            raise OutOfReachError
        first, last = offset // _BLOCK_BYTES, (end - 1) // _BLOCK_BYTES
        missing = [index for index in range(first, last + 1) if index not in self._blocks]
        if missing:
            self._run(
                self._fetch_blocks(missing[0], self._with_read_ahead(missing[0], missing[-1]))
            )
        content = b"".join(self._blocks[index] for index in range(first, last + 1))
        return content[offset - first * _BLOCK_BYTES : end - first * _BLOCK_BYTES]

    def _with_read_ahead(self, first: int, last: int) -> int:
        """The last block to fetch: further ahead the longer the reads are sequential.

        Only with a large budget: a static check reads a few places and no more.
        """
        in_order = 0 <= first - self._fetched_to <= _IN_ORDER_BLOCKS
        self._ahead_blocks = min(4 * self._ahead_blocks, _MAX_AHEAD_BLOCKS) if in_order else 2
        if self._budget_bytes > _LARGE_BUDGET_BYTES:
            end = (self.size_bytes - 1) // _BLOCK_BYTES
            while last - first + 1 < self._ahead_blocks and last + 1 not in self._blocks:
                if last >= end:
                    break
                last += 1
        self._fetched_to = last + 1
        return last

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        async def before_deadline() -> T:
            try:
                async with asyncio.timeout_at(self._ends_at_s):
                    return await work
            except TimeoutError as error:
                what = (
                    f"the server is too slow: {self.bytes_read} bytes came in "
                    f"{self._deadline_s:.0f} s"
                )
                raise LinkError("unreachable", what) from error
            except (aiohttp.ClientError, OSError) as error:
                raise connection_error(error, self._url) from error

        return self._runner.run(before_deadline())

    async def _open(self) -> LinkFacts:
        self._session = await self._stack.enter_async_context(http_client())
        headers = {"Range": f"bytes=0-{_HEAD_BYTES - 1}"}
        async with follow_redirects(self._session, "GET", self._url, headers) as response:
            if response.status == 416:
                # An empty file has no byte 0 to request (RFC 9110, 15.5.17).
                raise LinkError("unreachable", "the file behind the link is empty")
            check_status(response)
            self._final = response.url
            size_bytes, ranges = declared_size(response)
            self._prefix = await read_up_to(response, _HEAD_BYTES)
            self.bytes_read += len(self._prefix)
            check_page(response.headers.get("Content-Type", ""), self._prefix)
            _check_prefix(size_bytes, len(self._prefix), str(response.url.host))
            facts = LinkFacts(
                url=self.location,
                final_url=without_password(str(response.url)),
                content_type=response.headers.get("Content-Type", ""),
                size_bytes=size_bytes,
                ranges=ranges,
                validator=strong_etag(response),
                private=await private_address(response.url),
                head=HeadResponse(0),
            )
        if size_bytes is not None:
            self.size_bytes = size_bytes
        return replace(facts, head=await self._send_head())

    async def _send_head(self) -> HeadResponse:
        """The response to HEAD: some providers send it before they fetch."""
        try:
            async with follow_redirects(self._session, "HEAD", self._url, {}) as response:
                if response.status != 200:
                    return HeadResponse(response.status)
                length = response.headers.get("Content-Length", "")
                return HeadResponse(
                    status=200,
                    content_type=response.headers.get("Content-Type", ""),
                    size_bytes=int(length) if length.isdigit() else None,
                )
        except LinkError:
            return HeadResponse(0)

    async def _fetch_blocks(self, first: int, last: int) -> None:
        start = first * _BLOCK_BYTES
        end = min((last + 1) * _BLOCK_BYTES, self.size_bytes)
        if self.bytes_read + end - start > self._budget_bytes:
            raise OutOfReachError
        headers = {"Range": f"bytes={start}-{end - 1}"}
        async with follow_redirects(self._session, "GET", self._final, headers) as response:
            given = parse_content_range(response.headers.get("Content-Range", ""))
            if response.status != 206 or given is None or given[0] != start:
                raise OutOfReachError
            content = await read_up_to(response, end - start)
        self.bytes_read += len(content)
        if len(content) < end - start:
            what = f"the server gave {len(content)} of {end - start} bytes from byte {start}"
            raise LinkError("unreachable", what)
        for at in range(0, len(content), _BLOCK_BYTES):
            self._blocks[first + at // _BLOCK_BYTES] = content[at : at + _BLOCK_BYTES]


def _check_prefix(size_bytes: int | None, received: int, host: str) -> None:
    """Raise LinkError where fewer bytes came than the server stated."""
    if size_bytes is not None and received < min(size_bytes, _HEAD_BYTES):
        what = f"{host} promises {size_bytes} bytes and ends after {received}"
        raise LinkError("unreachable", what)
