"""A knock at the guest's port: only bytes are an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from harness.observe.network import knock_once

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()
    writer.close()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def talk_for_ever(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"x" * 100_000)
    writer.close()


@pytest.mark.parametrize(
    ("serve", "banner"),
    [(greet, b"SSH-2.0-OpenSSH_9.2\r\n"), (hang_up, b""), (talk_for_ever, b"x" * 256)],
)
def test_the_banner_of_the_guest_is_read(serve: Serve, banner: bytes) -> None:
    async def knocked() -> bytes:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            return await knock_once(host, port)

    assert asyncio.run(knocked()) == banner


def test_a_closed_port_gives_no_banner() -> None:
    # The discard port of RFC 863, on loopback.
    assert asyncio.run(knock_once("127.0.0.1", 9)) == b""
