"""The reports of a matrix as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from harness.errors import UsageError
from harness.matrix.record import Matrix
from harness.report.html import html_page
from harness.report.junit import junit_xml
from harness.report.markdown import markdown

WRITERS: Mapping[str, Callable[[Matrix, Path], str]] = {
    "html": html_page,
    "junit": junit_xml,
    "markdown": lambda matrix, _: markdown(matrix),
    "json": lambda matrix, _: matrix.to_json() + "\n",
}
"""The kinds of reports, and what makes the text of each from a matrix and its folder."""


def write_reports(matrix: Matrix, folder: Path, targets: Mapping[str, Path]) -> None:
    """Write each kind of report in ``targets`` to its file; ``-`` is stdout.

    A file is there as a whole or not at all. ``folder`` is what the ``run_dir`` of the rows are
    relative to. Raises UsageError where one cannot be written.
    """
    for kind, path in targets.items():
        text = WRITERS[kind](matrix, folder)
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
