import threading
from pathlib import Path

import pytest

from images import build as builder
from images.recipe import RecipeError
from images.steps import run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    return tmp_path


def test_parallel_builds_build_once(cache: Path) -> None:
    made = []

    def make(scratch: Path, output: Path) -> None:
        made.append(scratch)
        output.write_text("image")

    paths: list[Path] = []
    ask = [
        threading.Thread(target=lambda: paths.append(builder._cached("tiny", ".qcow2", make)))
        for _ in range(4)
    ]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    assert len(made) == 1
    assert len(set(paths)) == 1
    assert paths[0].read_text() == "image"


def test_a_build_that_fails_leaves_nothing(cache: Path) -> None:
    def make(scratch: Path, output: Path) -> None:
        output.write_text("half")
        raise RecipeError("no")

    with pytest.raises(RecipeError):
        builder._cached("tiny", ".qcow2", make)
    assert not list((cache / "tmp").iterdir())
    assert not list((cache / "cache").rglob("*tiny*qcow2*"))


def test_parameters_make_another_image() -> None:
    assert builder._digest("tiny", "a") != builder._digest("tiny", "b")
    assert builder._digest("tiny") != builder._digest("debian-12")


def test_a_missing_program_and_a_failing_one_are_named() -> None:
    with pytest.raises(RecipeError, match=r"no-such-program is not installed: apt-get install"):
        run("no-such-program")
    with pytest.raises(RecipeError, match=r"sh failed with status 3:\n  the reason"):
        run("sh", "-c", "echo the reason >&2; exit 3")
