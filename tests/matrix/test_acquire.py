"""The image of an entry: found, built, or not available."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.matrix.acquire import StoppedError, acquire, known_sha256
from harness.matrix.catalog import CatalogEntry, CatalogError, PlannedCase, Recipes
from harness.matrix.progress import PhaseChange
from harness.matrix.stop import Stop


def planned(folder: Path, entry: CatalogEntry, program: str | None = None) -> PlannedCase:
    recipes = Recipes(command=(sys.executable, "-c", program)) if program else None
    return PlannedCase(entry, "test.toml", folder, recipes)


def test_a_file_is_beside_its_catalog(tmp_path: Path) -> None:
    (tmp_path / "x.qcow2").write_bytes(b"content")
    plan = planned(tmp_path, CatalogEntry(name="x", file="x.qcow2"))
    image = acquire(plan, Stop(), lambda _: None)
    assert (image.location, image.folder, image.options) == ("x.qcow2", tmp_path, ())
    assert known_sha256(plan, image) == hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({}, ()),
        ({"sha256": "0" * 64}, ("--sha256", "0" * 64)),
        ({"checksums": "SHA256SUMS"}, ("--checksums", "SHA256SUMS")),
    ],
)
def test_a_link_is_not_downloaded_before_the_boot(
    tmp_path: Path, more: dict[str, str], options: tuple[str, ...]
) -> None:
    url = "https://example.org/x.qcow2"
    entry = CatalogEntry.model_validate({"name": "x", "url": url, **more})
    image = acquire(planned(tmp_path, entry), Stop(), lambda _: None)
    assert (image.location, image.options) == (url, options)


def test_a_recipe_is_built_and_names_its_image_last(tmp_path: Path) -> None:
    told: list[PhaseChange] = []
    program = "import sys; print('working'); print(f'out/{sys.argv[1]}.qcow2')"
    plan = planned(tmp_path, CatalogEntry(name="x", recipe="debian"), program)
    image = acquire(plan, Stop(), told.append)
    assert image.folder / image.location == tmp_path / "out" / "debian.qcow2"
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
    plan = planned(tmp_path, CatalogEntry(name="x", recipe="debian"), program)
    with pytest.raises(HostError, match=said) as caught:
        acquire(plan, Stop(), lambda _: None)
    assert caught.value.finding_id == "host.recipe-failed"


def test_a_catalog_without_a_command_builds_nothing(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no command that builds a recipe"):
        acquire(planned(tmp_path, CatalogEntry(name="x", recipe="debian")), Stop(), lambda _: None)


def test_the_build_of_a_recipe_ends_at_a_stop(tmp_path: Path) -> None:
    stop = Stop()
    plan = planned(
        tmp_path, CatalogEntry(name="x", recipe="debian"), "import time; time.sleep(600)"
    )
    with pytest.raises(StoppedError):
        acquire(plan, stop, lambda _: stop.set())
