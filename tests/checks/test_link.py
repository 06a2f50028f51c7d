"""Findings about links, by what their servers say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.checks.link import check_link, link_finding
from harness.net.link import HeadResponse, LinkError, LinkFacts

_URL = "https://example.org/x.qcow2"
SOUND = LinkFacts(
    url=_URL,
    final_url=_URL,
    content_type="application/octet-stream",
    size_bytes=1000,
    ranges=True,
    validator='"1"',
    private="",
    head=HeadResponse(200, "application/octet-stream", 1000),
)


def test_a_sound_link_has_no_findings() -> None:
    assert check_link(SOUND) == []
    assert check_link(replace(SOUND, head=replace(SOUND.head, size_bytes=None))) == []


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        ({"size_bytes": None}, "url.no-length", "does not say how large"),
        (
            {"head": HeadResponse(200, "x/y", 999)},
            "url.no-length",
            "999 bytes on HEAD, 1000 on GET",
        ),
        ({"head": HeadResponse(405)}, "url.no-content-type", "405 to a HEAD"),
        ({"head": HeadResponse(0)}, "url.no-content-type", "nothing to a HEAD"),
        ({"head": HeadResponse(200, "", 1000)}, "url.no-content-type", "no Content-Type on HEAD"),
        ({"ranges": False}, "url.no-range", "no ranges"),
        ({"private": "192.168.1.7"}, "url.private-address", "192.168.1.7"),
    ],
)
def test_a_link_that_may_fail_at_the_provider(wrong: dict[str, Any], found: str, said: str) -> None:
    (row,) = check_link(replace(SOUND, **wrong))
    assert row.id == found
    assert said in row.statement


def test_a_fault_of_a_link_is_a_harmless_sentence() -> None:
    row = link_finding(LinkError("tls", "the certificate\x1b[31m is of nobody", ("a\nb",)))
    assert row.id == "url.tls"
    assert row.statement.startswith("The certificate")
    assert "\x1b" not in row.statement
    assert "\n" not in row.evidence[0]
