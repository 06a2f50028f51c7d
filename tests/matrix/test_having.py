"""The image of an entry: there, built, or not to be had."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.matrix.catalog import CatalogError, Entry, Planned, Recipes
from harness.matrix.having import StoppedError, have, sha256_before
from harness.matrix.progress import Moved
from harness.matrix.stop import Stop


def planned(folder: Path, entry: Entry, program: str | None = None) -> Planned:
    recipes = Recipes(command=(sys.executable, "-c", program)) if program else None
    return Planned(entry, "test.toml", folder, recipes)


def test_a_file_is_beside_its_catalog(tmp_path: Path) -> None:
    (tmp_path / "x.qcow2").write_bytes(b"content")
    plan = planned(tmp_path, Entry(name="x", file="x.qcow2"))
    had = have(plan, Stop(), lambda _: None)
    assert (had.location, had.folder, had.options) == ("x.qcow2", tmp_path, ())
    assert sha256_before(plan, had) == hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({}, ()),
        ({"sha256": "0" * 64}, ("--sha256", "0" * 64)),
        ({"checksums": "SHA256SUMS"}, ("--checksums", "SHA256SUMS")),
    ],
)
def test_a_link_is_left_to_whoever_boots_it(
    tmp_path: Path, more: dict[str, str], options: tuple[str, ...]
) -> None:
    url = "https://example.org/x.qcow2"
    entry = Entry.model_validate({"name": "x", "url": url, **more})
    had = have(planned(tmp_path, entry), Stop(), lambda _: None)
    assert (had.location, had.options) == (url, options)


def test_a_recipe_is_built_and_names_its_image_last(tmp_path: Path) -> None:
    told: list[Moved] = []
    program = "import sys; print('working'); print(f'out/{sys.argv[1]}.qcow2')"
    plan = planned(tmp_path, Entry(name="x", recipe="debian"), program)
    had = have(plan, Stop(), told.append)
    assert had.folder / had.location == tmp_path / "out" / "debian.qcow2"
    assert len(told) == 1


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit('no mirror')", "no mirror"),
        ("pass", "it said nothing"),
        ("import sys; print('x'); sys.exit(3)", "The recipe debian could not be built"),
    ],
)
def test_a_recipe_that_fails_is_the_hosts_fault(tmp_path: Path, program: str, said: str) -> None:
    plan = planned(tmp_path, Entry(name="x", recipe="debian"), program)
    with pytest.raises(HostError, match=said) as caught:
        have(plan, Stop(), lambda _: None)
    assert caught.value.finding_id == "host.recipe-failed"


def test_a_catalog_without_a_command_builds_nothing(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no command that builds a recipe"):
        have(planned(tmp_path, Entry(name="x", recipe="debian")), Stop(), lambda _: None)


def test_a_recipe_is_given_up_where_it_is_to_stop(tmp_path: Path) -> None:
    stop = Stop()
    plan = planned(tmp_path, Entry(name="x", recipe="debian"), "import time; time.sleep(600)")
    with pytest.raises(StoppedError):
        have(plan, stop, lambda _: stop.set())
