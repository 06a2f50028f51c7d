"""Checks of a link against what a provider's plain download can fetch."""

from __future__ import annotations

from collections.abc import Iterator

from harness.evidence.guest_text import printable
from harness.model.finding import Finding, finding
from harness.net.link import LinkError, LinkFacts


def link_finding(error: LinkError) -> Finding:
    """Return the finding about a link that gives no image."""
    evidence = tuple(printable(line, 300) for line in error.evidence)
    what = printable(error.what, 400)
    return finding(f"url.{error.kind}", f"{what[:1].upper()}{what[1:]}.", evidence)


def check_link(facts: LinkFacts) -> list[Finding]:
    """Return the findings about a link that works here and may fail at the provider."""
    return [*_length(facts), *_content_type(facts), *_ranges(facts), *_private(facts)]


def _length(facts: LinkFacts) -> Iterator[Finding]:
    if facts.size_bytes is None:
        statement = "The server does not say how large the file is."
        yield finding("url.no-length", statement, ("no Content-Length",))
    elif facts.head.size_bytes not in (None, facts.size_bytes):
        statement = (
            f"The server contradicts itself about the size: {facts.head.size_bytes} bytes on HEAD, "
            f"{facts.size_bytes} on GET."
        )
        yield finding("url.no-length", statement)


def _content_type(facts: LinkFacts) -> Iterator[Finding]:
    if facts.head.status != 200:
        status = facts.head.status or "nothing"
        statement = f"The server answers a GET, and {status} to a HEAD, which some providers ask."
        yield finding("url.no-content-type", statement, (f"HEAD: {status}",))
    elif not facts.head.content_type:
        statement = "The server gives no Content-Type on HEAD: uploads were refused for less."
        yield finding("url.no-content-type", statement, ("HEAD: no Content-Type",))


def _ranges(facts: LinkFacts) -> Iterator[Finding]:
    if not facts.ranges:
        statement = (
            "The server gives no ranges: a download that is cut begins anew, and only the first "
            "bytes of the file were looked at."
        )
        yield finding("url.no-range", statement, ("GET with Range: answered with 200",))


def _private(facts: LinkFacts) -> Iterator[Finding]:
    if facts.private:
        statement = (
            f"The server's address is {facts.private}, which this network reaches and no provider."
        )
        yield finding("url.private-address", statement)
