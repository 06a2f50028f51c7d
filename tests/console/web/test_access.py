"""Links, sessions, and what a request must say of where it comes from."""

from __future__ import annotations

import pytest

from harness.console.web.access import (
    MAX_VIEWERS,
    AccessControl,
    bind_address,
    host_header,
    is_loopback,
    is_same_origin,
)
from harness.errors import StateError, UsageError


def test_a_link_opens_once() -> None:
    access = AccessControl()
    token = access.new_link()
    session = access.enter(token)
    assert session
    assert access.enter(token) is None
    assert access.viewer(session) is access.typist


@pytest.mark.parametrize("token", ["", "no", "ä", "\udc80"])
def test_wrong_token_opens_nothing_and_expires_nothing(token: str) -> None:
    access = AccessControl()
    right = access.new_link()
    assert access.enter(token) is None
    assert access.viewer(token) is None
    assert access.enter(right)


def test_link_admits_one_viewer_and_the_first_is_typist() -> None:
    access = AccessControl()
    links = [access.new_link() for _ in range(3)]
    viewers = [access.viewer(access.enter(link) or "") for link in reversed(links)]
    assert [viewer.name for viewer in viewers if viewer] == ["viewer 1", "viewer 2", "viewer 3"]
    assert access.typist is viewers[0]
    assert viewers[2]
    access.take_over(viewers[2])
    assert access.typist is viewers[2]


def test_unused_links_are_limited() -> None:
    access = AccessControl()
    first = access.new_link()
    last = [access.new_link() for _ in range(32)][-1]
    assert access.enter(first) is None
    assert access.enter(last)


def test_viewers_are_limited() -> None:
    access = AccessControl()
    for _ in range(MAX_VIEWERS):
        assert access.enter(access.new_link())
    with pytest.raises(StateError, match="takes no more"):
        access.enter(access.new_link())


OURS = "127.0.0.1:4000"


@pytest.mark.parametrize(
    ("host", "origin", "changes", "allowed"),
    [
        (OURS, None, False, True),
        (OURS, f"http://{OURS}", True, True),
        (OURS, None, True, False),
        (OURS, "null", True, False),
        (OURS, "http://127.0.0.1:4001", True, False),
        (OURS, f"https://{OURS}", True, False),
        (OURS, "http://evil.example", False, False),
        (OURS, f"http://{OURS}.evil.example", True, False),
        ("evil.example:4000", "http://evil.example:4000", True, False),
        ("localhost:4000", "http://localhost:4000", True, False),
        ("127.0.0.1", None, False, False),
        ("", None, False, False),
    ],
)
def test_foreign_host_or_origin_is_refused(
    host: str, origin: str | None, changes: bool, allowed: bool
) -> None:
    assert is_same_origin(host, OURS, origin, changes=changes) is allowed


def test_bind_address_accepts_one_address_only() -> None:
    assert host_header("::1", 80) == "[::1]:80"
    assert is_loopback(bind_address("127.0.0.2"))
    assert is_loopback(bind_address("::1"))
    assert not is_loopback(bind_address("192.0.2.1"))
    for text in ("0.0.0.0", "::", "localhost", "", "127.0.0.1:80"):
        with pytest.raises(UsageError, match="--web-bind"):
            bind_address(text)
