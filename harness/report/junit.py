"""A matrix as JUnit XML: a suite for each catalog, a case for each image.

An image that fails as its catalog expects is a case that passes; its properties have the actual
outcome. The children of a case are in the order that JUnit readers know: properties, result,
output.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.matrix.record import CaseRow, Matrix
from harness.report import row_words
from harness.report.charts import stage_times
from harness.report.console_lines import ReportLine, lines_to_show, read_consoles
from harness.report.findings import FULL, ShownFinding, shown_finding

MAX_OUTPUT_CHARACTERS = 20_000
"""How much of the end of an image's log is included."""

NOT_TRIED = "not tried"
"""The suite of the images that the matrix did not reach; their catalog is not known."""

_SHORT_OUTPUT_CHARACTERS = 2_000
# The characters that XML 1.0 (2.2) cannot represent.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(matrix: Matrix, folder: Path) -> str:
    """Return the document; the ``run_dir`` of the rows is relative to ``folder``."""
    suites: dict[str, list[ET.Element]] = {}
    for row in matrix.tried:
        suites.setdefault(_suite_name(row), []).append(_case(row, folder))
    for name in matrix.missing:
        suites.setdefault(NOT_TRIED, []).append(_missing(name))
    root = ET.Element("testsuites", name="harness")
    for name, cases in suites.items():
        suite = ET.SubElement(root, "testsuite", name=_legal(name))
        suite.set("timestamp", matrix.started_at.strftime("%Y-%m-%dT%H:%M:%S"))
        _count(suite, cases)
        suite.extend(cases)
    _count(root, [case for cases in suites.values() for case in cases])
    ET.indent(root, " ")
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return declaration + ET.tostring(root, encoding="unicode") + "\n"


def _suite_name(row: CaseRow) -> str:
    return row_words.safe_line(row.catalog or row.result.provider, 200)


def _count(element: ET.Element, cases: list[ET.Element]) -> None:
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    element.set("tests", str(len(cases)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _case(row: CaseRow, folder: Path) -> ET.Element:
    case = _new_case(row.name, _suite_name(row), row.wall_s)
    _add_properties(case, row)
    if row.judgement != "right":
        tag = "error" if row.judgement == "error" else "failure"
        fault = ET.SubElement(case, tag)
        fault.set("type", _legal(row.result.cause or row.result.outcome))
        fault.set("message", _legal(row_words.reason_text(row)))
        fault.text = _legal_text(_failure_lines(row))
    output = ET.SubElement(case, "system-out")
    output.text = _legal_text(_output(row, folder))
    return case


def _missing(name: str) -> ET.Element:
    case = _new_case(name, NOT_TRIED, 0.0)
    ET.SubElement(case, "skipped", message="The matrix ended before it came to this image.")
    return case


def _new_case(name: str, suite: str, time_s: float) -> ET.Element:
    case = ET.Element("testcase", name=_legal(name), time=f"{time_s:.3f}")
    case.set("classname", _legal(f"harness.{suite.removesuffix('.toml').replace('.', '_')}"))
    return case


def _add_properties(case: ET.Element, row: CaseRow) -> None:
    result = row.result
    values = {
        "judgement": row.judgement,
        "outcome": result.outcome,
        "expected": row_words.expectation_text(row.expected),
        "stage": result.stage,
        "cause": result.cause,
        "provider": result.provider,
        "firmware": result.tool.firmware,
        "verdict_s": str(result.timings_s.get("verdict", "")),
        "sha256": result.image.sha256,
        "tags": " ".join(row.tags),
        "worker": row.worker,
        "attempts": str(row.attempts),
        "run_dir": row.run_dir,
    }
    properties = ET.SubElement(case, "properties")
    for name, value in values.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=_legal(value))


def _failure_lines(row: CaseRow) -> Iterator[str]:
    yield f"expected: {row_words.expectation_text(row.expected)}"
    yield f"seen:     {row_words.outcome_text(row.result)}"
    if row.differs:
        yield f"another {', '.join(row.differs)} than expected"
    if row.result.counterfactual:
        yield f"proof:    {row.result.counterfactual.statement}"
    cause = row.result.cause_finding
    if cause:
        yield ""
        yield from _finding_lines(shown_finding(cause, FULL))


def _finding_lines(cause: ShownFinding) -> Iterator[str]:
    yield f"{cause.statement} ({cause.id})"
    for line in cause.evidence:
        yield f"  | {line}"
    if cause.advice:
        yield f"  -> {cause.advice}"


def _output(row: CaseRow, folder: Path) -> Iterator[str]:
    """Yield image, stages and the end of the console output, which is short if all is right."""
    yield f"image: {row.source}"
    stages = [f"{stage} {at_s:.1f} s" for stage, at_s in stage_times(row.result).items()]
    if stages:
        yield f"stages: {', '.join(stages)}"
    if not row.run_dir:
        return
    yield f"run: {row.run_dir}"
    recorded = read_consoles(folder / row.run_dir).lines
    # The screen stands in for a silent serial port.
    channel = "serial" if recorded.get("serial") else "screen"
    lines = lines_to_show(recorded.get(channel, []), (), {})
    if lines:
        yield f"{channel}, its end:"
    right = row.judgement == "right"
    yield from _end_of(lines, _SHORT_OUTPUT_CHARACTERS if right else MAX_OUTPUT_CHARACTERS)


def _end_of(lines: Iterable[ReportLine], limit: int) -> list[str]:
    """Return the last of ``lines``, ``limit`` characters at most."""
    end: list[str] = []
    for line in reversed(list(lines)):
        text = f"{line.t_s:9.2f}  {line.text}" if line.t_s is not None else line.text
        limit -= len(text) + 1
        if limit < 0:
            break
        end.insert(0, text)
    return end


def _legal(text: str) -> str:
    """Return ``text`` as one line that XML can represent."""
    return _ILLEGAL.sub("\u00b7", row_words.safe_line(text))


def _legal_text(lines: Iterable[str]) -> str:
    return "\n".join(_legal(line) for line in lines) + "\n"
