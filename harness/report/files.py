"""The reports of a matrix as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from harness.errors import UsageError
from harness.matrix.record import Matrix
from harness.report.html import html_page
from harness.report.junit import junit_xml
from harness.report.markdown import markdown


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """A format of reports.

    ``text`` makes a report from a matrix and its folder. ``help`` is that of its option. A matrix
    has one of each format in its folder under ``file_name``; of a format without that, none.
    """

    text: Callable[[Matrix, Path], str]
    help: str
    file_name: str = ""


REPORT_FORMATS: Mapping[str, ReportFormat] = {
    "html": ReportFormat(html_page, "One page.", "report.html"),
    "junit": ReportFormat(junit_xml, "XML for a CI.", "junit.xml"),
    "markdown": ReportFormat(lambda matrix, _: markdown(matrix), "A summary.", "summary.md"),
    "json": ReportFormat(lambda matrix, _: matrix.to_json() + "\n", "The matrix object."),
}
"""The formats by their names. The commands have an option for each, in this order."""
FORMATS_OF_A_MATRIX = {name: row for name, row in REPORT_FORMATS.items() if row.file_name}
"""Those that a matrix has in its folder."""


def write_reports(matrix: Matrix, folder: Path, targets: Mapping[str, Path]) -> None:
    """Write each kind of report in ``targets`` to its file; ``-`` is stdout.

    Each file is replaced atomically. The ``run_dir`` of the rows is relative to ``folder``. Raises
    UsageError if a file cannot be written.
    """
    for kind, path in targets.items():
        text = REPORT_FORMATS[kind].text(matrix, folder)
        if path == Path("-"):
            click.echo(text, nl=False)
        else:
            _write(path, text)


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8", errors="replace")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written: {error.strerror}.") from error
