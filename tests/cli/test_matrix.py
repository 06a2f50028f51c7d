"""``harness matrix`` as a user runs it. What boots is in ``test_boots.py``."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.matrix.folder import read_matrix
from tests.processes import wait_for
from tests.program import HARNESS

pytestmark = pytest.mark.programs

BROKEN = """
[[image]]
name = "header-only"
file = "header-only.qcow2"
why = "It ends in its header."
tags = ["broken"]
expected = { outcome = "fail", cause = "qcow2.malformed" }
"""
# A recipe is a command of the catalog's author: this one does as its name says.
BUILDER = """
import os, sys, time
name = sys.argv[1]
if name == "sleeps":
    with open("sleeping", "w") as file:
        file.write(str(os.getpid()))
    os.rename("sleeping", "asleep")
    time.sleep(600)
if name == "fails":
    sys.exit("no such \\x1b[31mpackage")
if name == "once":
    if not os.path.exists("tried"):
        open("tried", "w").close()
        sys.exit("the mirror is away")
    name = "header-only"
if name != "says-nothing":
    print("building", flush=True)
    print(os.path.abspath(f"{name}.qcow2"))
"""
RECIPES = """
[recipes]
command = ["python", "build.py"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "header-only.qcow2").write_bytes(b"QFI\xfb\0\0\0\3garbage")
    (tmp_path / "build.py").write_text(BUILDER)
    return tmp_path


def written(folder: Path, *rows: str, recipes: tuple[str, ...] = ()) -> Path:
    path = folder / "images.toml"
    built = [f'[[image]]\nname = "{name}"\nrecipe = "{name}"\n' for name in recipes]
    path.write_text("".join([RECIPES, *rows, *built]))
    return path


def run(folder: Path, *words: str, status: int | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [HARNESS, "matrix", *words, "--accel", "tcg"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert status in (None, done.returncode), done.stderr
    return done


def came(folder: Path, *words: str, status: int) -> dict[str, dict[str, Any]]:
    done = run(folder, *words, "--report-dir", "out", "--json", status=status)
    return {row["name"]: row for row in json.loads(done.stdout)["tried"]}


def test_each_image_is_compared_with_its_catalog(folder: Path) -> None:
    other = BROKEN.replace("header-only", "other", 1).replace("qcow2.malformed", "qcow2.corrupt")
    rows = came(folder, str(written(folder, BROKEN, other)), status=1)
    assert rows["header-only"]["judgement"] == "right"
    assert rows["other"]["judgement"] == "wrong"
    assert rows["other"]["differs"] == ["cause"]
    run_dir = folder / "out" / rows["other"]["run_dir"]
    assert json.loads((run_dir / "result.json").read_text())["cause"] == "qcow2.malformed"


def test_missing_image_costs_its_own_row_only(folder: Path) -> None:
    gone = '[[image]]\nname = "gone"\nfile = "gone.qcow2"\n'
    link = '[[image]]\nname = "link"\nurl = "http://127.0.0.1:9/a.qcow2"\n'
    path = written(folder, gone, BROKEN, link, recipes=("fails", "says-nothing"))
    rows = came(folder, str(path), status=1)
    causes = {name: row["result"]["cause"] for name, row in rows.items()}
    assert causes == {
        "gone": "host.attempt-failed",
        "header-only": "qcow2.malformed",
        "link": "url.unreachable",
        "fails": "host.recipe-failed",
        "says-nothing": "host.recipe-failed",
    }
    (found,) = rows["fails"]["result"]["findings"]
    assert found["statement"].endswith("could not be built: no such package")


def test_only_an_error_is_tried_again(folder: Path) -> None:
    path = written(folder, BROKEN.replace('"qcow2.malformed"', '"boot.hung"'), recipes=("once",))
    rows = came(folder, str(path), "--retries", "2", status=1)
    assert (rows["once"]["attempts"], rows["once"]["result"]["cause"]) == (2, "qcow2.malformed")
    assert (rows["header-only"]["attempts"], rows["header-only"]["judgement"]) == (1, "wrong")
    assert not rows["once"]["result"]["image"]["location"].startswith("/")


def test_fail_fast_ends_the_matrix_at_the_first_wrong_row(folder: Path) -> None:
    row = BROKEN.replace("header-only", "first", 1).replace("qcow2.malformed", "qcow2.corrupt")
    path = written(folder, row, BROKEN, recipes=("sleeps",))
    rows = came(folder, str(path), "--fail-fast", "-j", "1", status=1)
    assert list(rows) == ["first"]
    assert read_matrix(folder / "out").missing == ("header-only", "sleeps")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_matrix_and_resume_goes_on(folder: Path, number: signal.Signals) -> None:
    path = written(folder, BROKEN, recipes=("sleeps",))
    words = [HARNESS, "matrix", path, "--accel", "tcg", "--report-dir", "out", "-j", "2"]
    process = subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True)
    wait_for((folder / "asleep").exists)
    wait_for(lambda: len(read_matrix(folder / "out").tried) == 1)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    pid = (folder / "asleep").read_text()
    assert not Path(f"/proc/{pid}").exists()
    assert read_matrix(folder / "out").missing == ("sleeps",)
    (folder / "build.py").write_text(BUILDER.replace("600", "0"))
    (folder / "sleeps.qcow2").write_bytes((folder / "header-only.qcow2").read_bytes())
    rows = came(folder, str(path), "--resume", status=1)
    assert rows["sleeps"]["result"]["cause"] == "qcow2.malformed"
    assert rows["header-only"]["judgement"] == "right"


def test_a_matrix_that_is_killed_leaves_nothing_at_work(folder: Path) -> None:
    path = written(folder, recipes=("sleeps",))
    words = [HARNESS, "matrix", path, "--accel", "tcg", "--report-dir", "out"]
    process = subprocess.Popen(words, cwd=folder, stderr=subprocess.DEVNULL)
    wait_for((folder / "asleep").exists)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    pid = (folder / "asleep").read_text()
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.toml"], "gone.toml: cannot be read"),
        (["images.toml", "--select", "nothing"], "no image of the catalog"),
        (["images.toml", "--shard", "9"], "is K/N"),
        (["images.toml", "--shard", "2/2"], "no image is left"),
        (["images.toml", "--resume"], "name the folder"),
        (["images.toml", "-j", "0"], "is a number from 1"),
        (["images.toml", "-j", "many"], "is a number from 1"),
        ([], "Missing argument"),
    ],
)
def test_wrong_options_are_refused(folder: Path, words: list[str], said: str) -> None:
    written(folder, BROKEN)
    assert said in run(folder, *words, status=2).stderr


def test_list_option_prints_the_images(folder: Path) -> None:
    path = written(folder, BROKEN, recipes=("fails",))
    done = run(folder, str(path), "--list", "--select", "!tag:broken", status=0)
    assert done.stdout == "fails: recipe fails\n"
    assert list(folder.glob("out*")) == []
