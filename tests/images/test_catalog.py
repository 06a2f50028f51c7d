"""The catalogs that ship, compared with what they promise; nothing is fetched or built."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.matrix.catalog import PlannedCase, load_catalogs
from harness.net.checksum_files import checksum_file_url
from harness.net.http import parse_url
from harness.net.link import is_url
from images.recipe import DebianArchive, load_recipe, recipe_names

CATALOG = Path(__file__).parents[2] / "images" / "catalog"
DISTRIBUTIONS = {
    "debian",
    "ubuntu",
    "fedora",
    "centos-stream",
    "rocky",
    "alma",
    "opensuse",
    "arch",
    "alpine",
    "freebsd",
}
EVERY = load_catalogs([CATALOG])
UPSTREAM = [row for row in EVERY if row.entry.url]


def named(row: PlannedCase) -> str:
    return row.entry.name


def test_the_catalogs_hold_together_with_names_of_their_own() -> None:
    assert {row.catalog for row in EVERY} == {f"{name}.toml" for name in DISTRIBUTIONS} | {
        "recipes.toml"
    }
    names = [row.entry.name for row in EVERY]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", UPSTREAM, ids=named)
def test_upstream_image_comes_by_https(row: PlannedCase) -> None:
    entry = row.entry
    assert entry.url
    assert entry.checksums
    url = parse_url(entry.url)
    assert url.scheme == "https"
    sums = checksum_file_url(url, entry.checksums)
    assert (sums.scheme, sums.host) == ("https", url.host)
    assert sums.name != url.name
    assert is_url(entry.checksums) or "/" not in entry.checksums
    assert "upstream" in entry.tags


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_a_distribution_has_an_image_for_clouds_and_an_iso_to_install_from(name: str) -> None:
    rows = [row.entry for row in UPSTREAM if row.catalog == f"{name}.toml"]
    assert all(name in entry.tags for entry in rows)
    for kind, suffixes in (
        ("cloud", (".qcow2", ".img", ".qcow2.xz")),
        ("installer", (".iso",)),
    ):
        of_kind = [entry for entry in rows if kind in entry.tags]
        assert of_kind
        assert all(entry.url and entry.url.endswith(suffixes) for entry in of_kind)


@pytest.mark.parametrize("path", sorted(CATALOG.glob("*.toml")), ids=lambda path: path.stem)
def test_unseen_claims_are_marked(path: Path) -> None:
    """Of an image that cannot be had where this was written, no outcome was seen."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.stem == "recipes":
        return
    expectations = [at for at, line in enumerate(lines) if line.startswith("expected = ")]
    assert len(expectations) == lines.count("[[image]]")
    for at in expectations:
        assert lines[at - 1].startswith("# expectation not yet seen in a run")
    assert "no link was opened" in "\n".join(lines[:10])


def test_every_recipe_of_an_image_is_tried_and_nothing_else() -> None:
    tried = {row.entry.recipe for row in EVERY if row.entry.recipe}
    images = {name for name in recipe_names() if not isinstance(load_recipe(name), DebianArchive)}
    assert tried == images


def test_recipes_are_built_by_the_projects_own_command() -> None:
    for row in EVERY:
        if row.entry.recipe:
            assert row.recipes
            assert (row.folder / row.recipes.folder / "images" / "build.py").exists()
