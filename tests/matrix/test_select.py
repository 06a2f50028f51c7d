from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.matrix.catalog import CatalogEntry, PlannedCase
from harness.matrix.select import Shard, select

ROWS = [
    ("debian-12", ["debian", "cloud"]),
    ("debian-13", ["debian", "cloud"]),
    ("debian-13-netinst", ["debian", "installer"]),
    ("alpine", ["cloud"]),
    ("slow", ["slow"]),
]
PLANNED = [
    PlannedCase(CatalogEntry(name=name, file="x", tags=tuple(tags)), "x.toml", Path(), None)
    for name, tags in ROWS
]


def names(*words: str) -> list[str]:
    return [row.entry.name for row in select(PLANNED, words)]


def test_words_add_images_and_a_bang_excludes_them() -> None:
    assert names() == [name for name, _ in ROWS]
    assert names("debian-12", "alpine") == ["debian-12", "alpine"]
    assert names("debian-*") == ["debian-12", "debian-13", "debian-13-netinst"]
    assert names("tag:cloud", "!debian-12") == ["debian-13", "alpine"]
    assert names("!tag:slow", "!tag:inst*") == ["debian-12", "debian-13", "alpine"]


@pytest.mark.parametrize("word", ["debian-14", "tag:suse", "!tag:suse", "", "tag:"])
def test_a_word_that_means_nothing_is_an_error(word: str) -> None:
    with pytest.raises(UsageError, match="no image of the catalog"):
        names(word)


@pytest.mark.parametrize("of", [1, 2, 3, 5, 7])
def test_the_shards_together_are_all_images(of: int) -> None:
    shares = [Shard.parse(f"{number}/{of}").take(PLANNED) for number in range(1, of + 1)]
    assert sorted(row.entry.name for share in shares for row in share) == sorted(names())


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_a_text_that_is_no_shard_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="is K/N"):
        Shard.parse(text)
