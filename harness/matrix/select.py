"""The selection of images of a catalog: by words, and by a share of all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from harness.errors import UsageError
from harness.matrix.catalog import CatalogEntry, PlannedCase


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several shares: the first is 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the share that "K/N" means; raises UsageError for any other text."""
        match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
        shard = cls(int(match[1]), int(match[2])) if match else None
        if shard is None or not 1 <= shard.number <= shard.of:
            raise UsageError(f"--shard {text}: is K/N, with K from 1 to N: 2/4, say.")
        return shard

    def take(self, planned: Sequence[PlannedCase]) -> tuple[PlannedCase, ...]:
        """Return every N-th image: so the slow images of one distribution go to all shares."""
        return tuple(planned[self.number - 1 :: self.of])


def select(planned: Sequence[PlannedCase], words: Iterable[str]) -> tuple[PlannedCase, ...]:
    """Return the images that ``words`` select, in their order; all images without words.

    A word is a name, or ``tag:`` and a tag, with the wildcards of fnmatch; with ``!`` before it, it
    excludes images. Raises UsageError for a word that matches nothing: most are typing errors.
    """
    words = list(words)
    wanted = [word for word in words if not word.startswith("!")]
    unwanted = [word[1:] for word in words if word.startswith("!")]
    for word in [*wanted, *unwanted]:
        if not any(_means(word, row.entry) for row in planned):
            raise UsageError(f"--select {word}: no image of the catalog has such a name or tag.")
    return tuple(
        row
        for row in planned
        if (not wanted or any(_means(word, row.entry) for word in wanted))
        and not any(_means(word, row.entry) for word in unwanted)
    )


def _means(word: str, entry: CatalogEntry) -> bool:
    kind, colon, pattern = word.partition(":")
    if colon and kind == "tag":
        return any(fnmatchcase(tag, pattern) for tag in entry.tags)
    return fnmatchcase(entry.name, word)
