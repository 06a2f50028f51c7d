"""The text of a link."""

from __future__ import annotations

import pytest

from harness.net.link import is_url, name_in_url, without_password


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://example.org/x", True),
        ("FTP://x", True),
        ("git+ssh://host/x", True),
        ("disk.qcow2", False),
        ("/a/b://c", False),
        ("C:\\disk.vhd", False),
        ("://x", False),
    ],
)
def test_is_url_tells_a_link_from_a_file(text: str, is_one: bool) -> None:
    assert is_url(text) is is_one


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@example.org:8443/x?y=1", "https://me:•••@example.org:8443/x?y=1"),
        ("https://me:a@b@example.org/", "https://me:•••@example.org/"),
        ("https://me@example.org/x", "https://me@example.org/x"),
        ("https://example.org/x", "https://example.org/x"),
    ],
)
def test_a_password_is_never_shown(text: str, shown: str) -> None:
    assert without_password(text) == shown


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://example.org/a/disk%20one.qcow2?token=1#x", "disk one.qcow2"),
        ("https://example.org/", ""),
        ("https://example.org", ""),
    ],
)
def test_name_in_url_is_the_end_of_the_path(text: str, name: str) -> None:
    assert name_in_url(text) == name
