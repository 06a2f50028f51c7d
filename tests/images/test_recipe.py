from pathlib import Path

import pytest

import images.recipe
from images.recipe import RecipeError, load_recipe, recipe_names


def test_every_recipe_that_ships_is_valid() -> None:
    assert {"debian-12", "tiny", "alpine-3.23", "alpine-3.23-bare"} <= set(recipe_names())
    for name in recipe_names():
        assert load_recipe(name).description


def test_an_unknown_recipe_names_those_that_are_there() -> None:
    with pytest.raises(RecipeError, match=r"no such recipe; there is .*debian-12"):
        load_recipe("../../etc")


def test_every_fault_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "recipe.toml").write_text('kind = "debian"\nsize_mib = 1\nextra = 2\n')
    monkeypatch.setattr(images.recipe, "RECIPES", tmp_path)
    with pytest.raises(RecipeError) as caught:
        load_recipe("bad")
    for words in ("description", "suite", "packages", "size_mib", "extra"):
        assert words in str(caught.value)
