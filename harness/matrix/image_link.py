"""The present link of an image of a catalog: wildcards are resolved, checksums fetched."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yarl import URL

from harness.matrix.catalog import CatalogEntry
from harness.net.checksum_files import checksum_file_url, fetch_checksum_file, named_checksum
from harness.net.checksums import Checksum, checksum_for, newest_name
from harness.net.http import http_client, parse_url
from harness.net.link import LinkError, name_in_url, without_password


@dataclass(frozen=True, slots=True)
class ImageLink:
    """A link without wildcards, and the checksum of its file; None without one."""

    url: str
    checksum: Checksum | None


async def resolve(entry: CatalogEntry) -> ImageLink:
    """Return the link of an entry with a ``url``; for a wildcard, the link of its newest file.

    Raises LinkError of the kind ``no-checksum`` if the checksum file cannot be fetched or does not
    name the file, HostError if this host has no network, UsageError for a link that nothing can be
    fetched from, ValueError for an entry without a ``url``.
    """
    if entry.url is None:
        raise ValueError(f"{entry.name}: is no link")
    given = Checksum("sha256", entry.sha256, "the catalog") if entry.sha256 else None
    if entry.checksums is None or (given and not entry.is_wild):
        return ImageLink(entry.url, given)
    async with http_client() as session:
        url = parse_url(entry.url)
        if not entry.is_wild:
            return ImageLink(entry.url, await named_checksum(session, url, entry.checksums))
        where = checksum_file_url(url, entry.checksums)
        text = await fetch_checksum_file(session, where)
    return _newest(url, entry.url, where, text, given)


def _newest(url: URL, pattern_url: str, where: URL, text: str, given: Checksum | None) -> ImageLink:
    """Return the link of the newest file in ``text``, the checksum file at ``where``."""
    pattern = name_in_url(pattern_url)
    name = newest_name(text, pattern)
    checksum = checksum_for(text, name) if name else None
    if name is None or checksum is None:
        what = f"the checksum file {without_password(str(where))} names nothing like {pattern}"
        raise LinkError("no-checksum", what)
    found = replace(checksum, source=name_in_url(str(where)))
    return ImageLink(str(url.with_name(name, keep_query=True)), given or found)
