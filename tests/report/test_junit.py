"""JUnit XML, as two readers of it see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from junit2htmlreport import parser as junit2html
from junitparser import JUnitXml

from harness.report.junit import MAX_OUTPUT_CHARACTERS, junit_xml
from tests.report.samples import (
    FAILED,
    HOSTILE,
    hostile,
    matrix,
    nightly,
    panic,
    result,
    serial,
    tried,
    write_evidence,
)


def cases(text: str) -> dict[str, Any]:
    return {case.name: case for suite in JUnitXml.fromstring(text.encode()) for case in suite}


def test_junitparser_reads_it(tmp_path: Path) -> None:
    whole = JUnitXml.fromstring(junit_xml(nightly(), tmp_path).encode())
    assert (whole.tests, whole.failures, whole.errors, whole.skipped) == (5, 1, 1, 1)
    found = cases(junit_xml(nightly(), tmp_path))
    assert found["good"].is_passed
    assert found["as-expected"].is_passed
    assert found["never-tried"].is_skipped
    assert found["never-tried"].result[0].message.startswith("The matrix ended before")
    (failure,) = found["bad"].result
    assert (failure.message, failure.type) == ("The kernel panicked.", "boot.kernel-panic")
    for words in ("expected: pass", "| Kernel panic", "-> Read the lines before the panic"):
        assert words in failure.text
    (error,) = found["spoiled"].result
    assert (error.message, error.type) == ("Full.", "host.no-space")


def test_junit2html_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(junit_xml(nightly(), tmp_path))
    report = junit2html.Junit(str(file))
    outcomes = {case.name: case.outcome() for suite in report.suites for case in suite.all()}
    assert outcomes == {
        "good": "passed",
        "as-expected": "passed",
        "bad": "failed",
        "spoiled": "failed",
        "never-tried": "skipped",
    }
    assert "The kernel panicked." in report.html()


def test_facts_of_an_image_are_properties(tmp_path: Path) -> None:
    row = tried("a", panic(), FAILED, tags=("debian", "fast"), worker="w7", attempts=2)
    case = cases(junit_xml(matrix(row), tmp_path))["a"]
    found = {row.get("name"): row.get("value") for row in case._elem.iter("property")}
    assert found == {
        "judgement": "right",
        "outcome": "fail",
        "expected": "fail, boot.kernel-panic",
        "stage": "initrd",
        "cause": "boot.kernel-panic",
        "provider": "contabo",
        "firmware": "bios",
        "verdict_s": "12.5",
        "tags": "debian fast",
        "worker": "w7",
        "attempts": "2",
    }


@pytest.mark.parametrize(
    ("came", "expected", "message"),
    [
        (result(), FAILED, "pass, network; fail, boot.kernel-panic was expected."),
        (result(outcome="inconclusive"), None, "Nothing proves either; pass was expected."),
    ],
)
def test_unexpected_outcome_is_a_failure(
    tmp_path: Path, came: Any, expected: Any, message: str
) -> None:
    case = cases(junit_xml(matrix(tried("a", came, expected)), tmp_path))["a"]
    assert case.is_failure
    assert case.result[0].message == message


def test_a_suite_for_each_catalog(tmp_path: Path) -> None:
    rows = [tried("a", result(), catalog="one.toml"), tried("b", panic(), catalog="two.toml")]
    suites = list(JUnitXml.fromstring(junit_xml(matrix(*rows), tmp_path).encode()))
    assert [(suite.name, suite.tests, suite.failures) for suite in suites] == [
        ("one.toml", 1, 0),
        ("two.toml", 1, 1),
    ]
    assert [case.classname for suite in suites for case in suite] == ["harness.one", "harness.two"]


def test_hostile_texts_are_legal_xml(tmp_path: Path) -> None:
    write_evidence(tmp_path / "run", serial(HOSTILE, "\ud800\uffff", "x" * 1_000_000))
    text = junit_xml(hostile("run"), tmp_path)
    text.encode("utf-8")
    assert JUnitXml.fromstring(text.encode()).tests == 4
    assert "\x1b" not in text
    assert "<script>" not in text
    file = tmp_path / "junit.xml"
    file.write_text(text)
    assert len(junit2html.Junit(str(file)).suites) == 2


def test_the_output_is_the_end_of_the_log(tmp_path: Path) -> None:
    lines = [f"line {number} {'x' * 200}" for number in range(1000)]
    write_evidence(tmp_path / "run", serial(*lines))
    rows = [tried("bad", panic(), run_dir="run"), tried("good", result(), run_dir="run")]
    found = cases(junit_xml(matrix(*rows), tmp_path))
    assert "line 999" in found["bad"].system_out
    assert 0.9 * MAX_OUTPUT_CHARACTERS < len(found["bad"].system_out) < 1.1 * MAX_OUTPUT_CHARACTERS
    assert "line 999" in found["good"].system_out
    assert len(found["good"].system_out) < 3000
