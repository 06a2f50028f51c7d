"""A catalog: every fault is named at once, and its entries are tried."""

from pathlib import Path

import pytest

from harness.matrix.catalog import CatalogError, load_catalogs

GOOD = """
[recipes]
command = ["python", "-m", "images.build"]
folder = "../.."

[defaults]
tags = ["debian"]
until = "seed"

[[image]]
name = "debian-12"
recipe = "debian-12"
tags = ["cloud", "debian"]

[[image]]
name = "no-loader"
file = "no-loader.qcow2"
until = "network"
why = "Its boot sector is empty."
expected = { outcome = "fail", cause = "boot.no-bootable-device", stages = ["firmware"] }
"""


def written(folder: Path, text: str, name: str = "images.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def faults_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        load_catalogs([written(folder, text)])
    return str(caught.value).splitlines()


def test_defaults_hold_and_tags_add_up(tmp_path: Path) -> None:
    first, second = load_catalogs([written(tmp_path, GOOD)])
    assert (first.entry.until, second.entry.until) == ("seed", "network")
    assert first.entry.tags == ("debian", "cloud")
    assert second.entry.tags == ("debian",)
    assert (first.catalog, first.folder) == ("images.toml", tmp_path)
    assert first.recipes
    assert first.recipes.folder == "../.."


def test_every_fault_of_every_file_is_named_at_once(tmp_path: Path) -> None:
    written(tmp_path, "[[image]\n", "broken.toml")
    written(tmp_path, "[[image]]\nname = 'Not A Name'\nfile = 'x'\n", "name.toml")
    written(
        tmp_path,
        """
        [[image]]
        name = "two-sources"
        file = "a"
        url = "https://example.org/a.qcow2"
        [[image]]
        name = "no-why"
        file = "a"
        colour = "red"
        expected = { outcome = "fail", cause = "boot.hung" }
        [[image]]
        name = "no-such-cause"
        file = "a"
        why = "no reason"
        expected = { outcome = "fail", cause = "boot.sad" }
        [[image]]
        name = "cause-of-a-pass"
        file = "a"
        expected = { cause = "boot.hung" }
        """,
        "rows.toml",
    )
    with pytest.raises(CatalogError) as caught:
        load_catalogs([tmp_path])
    said = str(caught.value)
    assert said.startswith("the catalog has 6 faults:")
    for words in (
        "broken.toml: not TOML",
        "name.toml: Not A Name: name: ",
        "two-sources: ",
        "no-why: colour: ",
        "boot.sad is no finding",
        "a fail has a cause, and nothing else has one",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("url = 'ftp://example.org/a'", "does not begin with http"),
        ("url = 'https://example.org/a-*.qcow2'", "a wildcard needs checksums"),
        ("file = 'a'\nsha256 = '" + "0" * 64 + "'", "are for a url"),
        ("recipe = 'a'", "has no [recipes]"),
        ("file = 'a'\nprovider = 'nowhere'", "no such profile"),
        ("file = 'a'\nwhy = ''\nexpected = { outcome = 'inconclusive' }", "say why"),
        ("file = 'a'\nexpected = { stages = ['bed'] }", "expected.stages.0"),
        ("file = 'a'\ndeadline_s = 0", "deadline_s"),
        ("file = 'a'\ntags = 'all'", "tags"),
        ("", "name one of url, file and recipe"),
    ],
)
def test_an_invalid_row_is_a_fault(tmp_path: Path, row: str, words: str) -> None:
    said = faults_of(tmp_path, f"[[image]]\nname = 'a'\n{row}\n")
    assert said[0] == "the catalog has a fault:"
    assert words in said[1]
    assert "images.toml: a: " in said[1]


def test_two_images_of_one_name(tmp_path: Path) -> None:
    row = "[[image]]\nname = 'a'\nfile = 'a'\n"
    paths = [written(tmp_path, row, name) for name in ("one.toml", "two.toml")]
    with pytest.raises(CatalogError, match="a: 2 images have this name"):
        load_catalogs(paths)


def test_a_folder_of_catalogs(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no catalog"):
        load_catalogs([tmp_path])
    (tmp_path / "catalog").mkdir()
    written(tmp_path / "catalog", GOOD)
    assert [row.entry.name for row in load_catalogs([tmp_path])] == ["debian-12", "no-loader"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b""])
def test_a_file_that_is_no_catalog_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "images.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"images\.toml: "):
        load_catalogs([path])


def test_a_name_is_fit_for_a_folder(tmp_path: Path) -> None:
    assert "name" in faults_of(tmp_path, "[[image]]\nname = '../../etc'\nfile = 'a'\n")[1]
