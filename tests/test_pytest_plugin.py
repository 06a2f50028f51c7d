"""The plugin, in a pytest of its own as a user starts it. Most images end at the gate."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from images.build import build

pytestmark = pytest.mark.programs

pytest_plugins = ["pytester"]

Pytest = Callable[..., pytest.RunResult]

_INSTALLED = bool(importlib.metadata.entry_points(group="pytest11", name="harness"))
_CATALOG = """\
[defaults]
tags = ["small"]

[[image]]
name = "cut"
file = "cut.qcow2"
tags = ["broken-2", "skip"]
expected = { outcome = "fail", cause = "qcow2.malformed" }
why = "it ends in its header"

[[image]]
name = "cut-too"
file = "cut.qcow2"

[[image]]
name = "alien"
file = "alien.vmdk"
expected = { outcome = "fail", cause = "format.unsupported" }
why = "the provider takes no VMDK"
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Pytest:
    """Run pytest in a folder with the catalog ``images/small.toml`` and its images."""
    folder = pytester.mkdir("images")
    (folder / "small.toml").write_text(_CATALOG)
    (folder / "cut.qcow2").write_bytes(b"QFI\xfb\0\0\0\3".ljust(40, b"\0"))
    (folder / "alien.vmdk").write_bytes(b"KDMV\1\0\0\0".ljust(4096, b"\0"))
    plugin = () if _INSTALLED else ("-p", "harness.pytest_plugin")

    def run(*words: str | Path) -> pytest.RunResult:
        runs = pytester.path / "runs"
        done = pytester.runpytest_subprocess(*plugin, "--harness-run-dir", runs, *words)
        assert "INTERNALERROR" not in done.stdout.str()
        assert "Traceback" not in done.stdout.str() + done.stderr.str()
        return done

    return run


def test_each_image_is_a_test_and_what_is_expected_passes(run: Pytest) -> None:
    done = run("images", "-v", "--strict-markers", "--harness-accel", "tcg")
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(
        ["images/small.toml::cut PASSED*", "images/small.toml::cut-too FAILED*", "*::alien PASSED*"]
    )


def test_a_failure_is_told_in_the_sentences_of_the_findings(run: Pytest) -> None:
    text = run("images/small.toml::cut-too").stdout.str()
    assert "cut-too: fail (qcow2.malformed)" in text
    assert "expected: pass" in text
    assert re.search(r"^✗ .+  qcow2\.malformed$", text, re.MULTILINE)
    assert re.search(r"run folder setup -+\n.*/runs/\S+-cut-too-\w+\n", text)
    assert ".py:" not in text, "no line of ours is shown"


def test_images_are_chosen_by_name_and_by_tag(run: Pytest) -> None:
    run("images", "-k", "alien").assert_outcomes(passed=1, deselected=2)
    run("images", "-m", "broken-2").assert_outcomes(passed=1, deselected=2)
    run("images", "-m", "small and not broken-2", "-k", "alien").assert_outcomes(
        passed=1, deselected=2
    )
    marks = run("images", "--markers").stdout.str()
    assert "@pytest.mark.booted(image, until, firmware, provider):" in marks


def test_the_last_failed_is_run_again(run: Pytest) -> None:
    run("images").assert_outcomes(passed=2, failed=1)
    done = run("images", "--lf", "-v")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["images/small.toml::cut-too FAILED*"])


def test_several_processes_come_to_the_same(run: Pytest) -> None:
    run("images", "-n", "2").assert_outcomes(passed=2, failed=1)


def test_junit_has_what_came_of_each(run: Pytest, pytester: pytest.Pytester) -> None:
    run("images", "--junitxml", "junit.xml")
    suite = ElementTree.parse(pytester.path / "junit.xml").getroot()[0]
    told = {
        case.attrib["name"]: {
            row.attrib["name"]: row.attrib["value"] for row in case.iter("property")
        }
        for case in suite
    }
    assert told["cut"]["outcome"] == "fail"
    assert (told["cut"]["stage"], told["cut"]["cause"]) == ("", "qcow2.malformed")
    assert told["alien"]["cause"] == "format.unsupported"
    assert Path(told["alien"]["run_dir"], "result.json").exists()
    assert [case.attrib["name"] for case in suite if case.find("failure") is not None] == [
        "cut-too"
    ]


def test_an_image_that_is_not_there_is_an_error_of_this_host(
    run: Pytest, pytester: pytest.Pytester
) -> None:
    (pytester.path / "images/alien.vmdk").unlink()
    done = run("images", "-k", "alien")
    done.assert_outcomes(errors=1, deselected=2)
    assert "alien.vmdk" in done.stdout.str()


def test_all_faults_of_a_catalog_are_one_error(run: Pytest, pytester: pytest.Pytester) -> None:
    wrong = _CATALOG.replace('file = "alien.vmdk"', "").replace(
        'name = "cut"', 'name = "\x1b[31mC"'
    )
    (pytester.path / "images/small.toml").write_text(wrong.replace("\x1b", "\\u001b"))
    done = run("images")
    done.assert_outcomes(errors=1)
    text = done.stdout.str()
    assert "the catalog has 2 faults:" in text
    assert "name one of url, file and recipe" in text
    assert "String should match pattern" in text
    assert "\x1b" not in text
    assert ".py:" not in text


def test_a_folder_of_somebody_else_is_left_alone(run: Pytest, pytester: pytest.Pytester) -> None:
    other = pytester.mkdir("other")
    (other / "gallery.toml").write_text('[[image]]\ntitle = "a picture"\n')
    (other / "broken.toml").write_text("[[image]\n")
    (other / "test_own.py").write_text("def test_own(): pass\n")
    run("other").assert_outcomes(passed=1)
    # The catalog below is not named: neither by a folder above it nor by testpaths.
    run(".").assert_outcomes(passed=1)
    pytester.makeini("[pytest]\ntestpaths = images other\n")
    run().assert_outcomes(passed=1)
    pytester.makeini("[pytest]\nharness_catalogs = images\n")
    run().assert_outcomes(passed=3, failed=1)


def test_a_fixture_and_an_option_of_somebody_else_are_left_alone(
    run: Pytest, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import pytest

        def pytest_addoption(parser):
            parser.addoption("--image", default="own")

        @pytest.fixture
        def booted(request):
            return request.config.getoption("--image")
        """
    )
    pytester.makepyfile("def test_own(booted): assert booted == 'own'")
    run().assert_outcomes(passed=1)


def test_a_test_that_names_no_image_says_so(run: Pytest, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(booted): pass")
    done = run()
    done.assert_outcomes(errors=1)
    assert "booted: say which image" in done.stdout.str()


def test_an_image_that_the_provider_refuses_fails_what_wants_it(
    run: Pytest, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nharness_catalogs = images\n")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.booted(image="cut-too")
        def test_by_name(booted): pass

        @pytest.mark.booted(image=["images/cut.qcow2", "images/alien.vmdk"])
        def test_by_path(booted): pass

        def test_by_option(booted): pass
        """
    )
    name = next(pytester.path.glob("test_*.py")).name
    done = run(name, "--harness-image", "images/alien.vmdk")
    done.assert_outcomes(errors=4)
    done.stdout.fnmatch_lines(["ERROR *::test_by_name?cut-too?*"])
    text = done.stdout.str()
    assert len(re.findall(r"^✗ .+  format\.unsupported$", text, re.MULTILINE)) == 2
    assert "During handling" not in text


@pytest.mark.boot
def test_a_test_of_a_users_own_has_the_machine(
    run: Pytest, pytester: pytest.Pytester, tiny: Path
) -> None:
    catalog = '[[image]]\nname = "tiny"\nfile = "tiny.qcow2"\nexpected.stages = ["network"]\n'
    (pytester.path / "images/small.toml").write_text(catalog)
    (pytester.path / "images/tiny.qcow2").symlink_to(tiny)
    (pytester.path / "images/panic.qcow2").symlink_to(build("tiny", "tiny.mode=panic"))
    pytester.makeini("[pytest]\nharness_catalogs = images\n")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.booted(image="tiny", until="seed")
        def test_it(booted):
            assert booted.stage == "seed"
            assert booted.result.outcome == "pass"
            booted.serial.wait_for("tiny: ready", timeout_s=60)

        @pytest.mark.booted(image="images/panic.qcow2")
        def test_that_is_not_reached(booted): pass
        """
    )
    done = run("--harness-accel", "tcg")
    done.assert_outcomes(passed=2, errors=1)
    assert re.search(r"^✗ .+  boot\.kernel-panic$", done.stdout.str(), re.MULTILINE)
    machines = subprocess.run(
        ["pgrep", "-f", f"qemu-system.*{pytester.path}"], capture_output=True, text=True
    )
    assert machines.stdout == ""
