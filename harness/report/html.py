"""A matrix as one HTML page: a single file that loads nothing from a network.

Guest output is hostile. It goes through ``finalize`` of the environment, which makes each text a
printable line, and is then escaped. The content security policy of the page allows only its own
script, its own style and embedded pictures.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.matrix.record import CaseRow, Matrix
from harness.report import row_words
from harness.report.boots import BootSection, PageBudget, boot_sections
from harness.report.charts import Sparkline, StageBar, sparkline, timeline
from harness.report.findings import PAGE, ShownFinding, by_weight, shown_finding
from harness.report.result_text import size_text
from harness.trial.result import Result

MAX_ROWS = 2000
"""How many images a page shows; it says how many more it leaves out."""

_MAX_FINDINGS = 30
_GROUPS = {
    "wrong": "Not as expected",
    "error": "A host failed",
    "right": "As expected",
}


@dataclass(frozen=True, slots=True)
class RowView:
    """A row prepared for the template.

    ``bars`` are on the scale of all rows, ``own_bars`` on that of its own boot; ``search`` is the
    text to search in, in lower case.
    """

    anchor: str
    row: CaseRow
    came: str
    right: str
    why: str
    bars: tuple[StageBar, ...]
    own_bars: tuple[StageBar, ...]
    spark: Sparkline | None
    boots: tuple[BootSection, ...]
    facts: tuple[tuple[str, str], ...]
    took: str
    search: str


def html_page(matrix: Matrix, folder: Path) -> str:
    """Return the page; the ``run_dir`` of the rows is relative to ``folder``.

    Where all pictures and logs would make the page too large, those of the first rows, which are
    not right, come first: see ``PageBudget``.
    """
    rows = row_words.worst_first(matrix)
    scale_s = max((_verdict_s(row) for row in rows), default=0.0)
    budget = PageBudget()
    views = [
        _view(f"image-{number}", row, matrix, folder, scale_s, budget)
        for number, row in enumerate(rows[:MAX_ROWS], start=1)
    ]
    anchors = {view.row.name: view.anchor for view in views}
    style, script = _packaged_file("page.css"), _packaged_file("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            matrix=matrix,
            headline=row_words.headline(matrix),
            counts=row_words.counts(matrix),
            news=row_words.listed_news(matrix),
            groups=list(_grouped(views)),
            left_out=len(rows) - len(views),
            anchors=anchors,
            tags=sorted({tag for view in views for tag in view.row.tags}),
            outcomes=sorted({view.row.result.outcome for view in views}),
            began=row_words.moment(matrix.started_at),
            took=_matrix_duration(matrix),
            budget=budget,
            style=style,
            script=script,
            policy=policy(style, script),
        )
    )


def policy(style: str, script: str) -> str:
    """Return the content security policy that allows ``style`` and ``script``, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _packaged_file(name: str) -> Markup:
    """Return a file of the package, which goes into the page unescaped."""
    text = resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704  it is the project's own text


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe_value,
    )
    environment.filters.update(duration=row_words.duration, moment=row_words.moment)
    environment.globals.update(findings_of=_findings_of)
    return environment


def _findings_of(result: Result) -> list[ShownFinding]:
    """Return the findings as the page shows them, the cause first, then by severity."""
    heaviest = by_weight(result.findings, result.cause)[:_MAX_FINDINGS]
    return [shown_finding(row, PAGE, result.cause) for row in heaviest]


def _why(row: CaseRow) -> str:
    has_reason = row.judgement != "right" or row.result.cause
    return row_words.safe_line(row_words.reason_text(row)) if has_reason else ""


def _safe_value(value: Any) -> Any:
    """Make each text that the template writes a printable line; Markup is the project's own."""
    return row_words.safe_line(value) if type(value) is str else value


def _grouped(views: Iterable[RowView]) -> Iterator[tuple[str, str, list[RowView]]]:
    """Yield judgement, title and rows of each group that has any."""
    kept = list(views)
    for judgement, title in _GROUPS.items():
        rows = [view for view in kept if view.row.judgement == judgement]
        if rows:
            yield judgement, title, rows


def _view(
    anchor: str, row: CaseRow, matrix: Matrix, folder: Path, scale_s: float, budget: PageBudget
) -> RowView:
    result = row.result
    searched = [row.name, row.description, row.catalog, row.source, row_words.outcome_text(result)]
    return RowView(
        anchor=anchor,
        row=row,
        came=row_words.outcome_text(result),
        right=row_words.expectation_text(row.expected),
        why=_why(row),
        bars=timeline(result, scale_s),
        own_bars=timeline(result, _verdict_s(row)),
        spark=sparkline(row, matrix.history.get(row.name, ())),
        boots=boot_sections(folder / row.run_dir, result, budget) if row.run_dir else (),
        facts=tuple(_facts(row)),
        took=row_words.duration(_verdict_s(row)) if result.stage else "not booted",
        search=" ".join([*searched, *row.tags]).lower(),
    )


def _verdict_s(row: CaseRow) -> float:
    return row.result.timings_s.get("verdict", 0.0) if row.result.stage else 0.0


def _facts(row: CaseRow) -> Iterator[tuple[str, str]]:
    """Yield further facts of an attempt: name and value."""
    image, tool = row.result.image, row.result.tool
    yield "image", row.source
    sizes = [image.format]
    if image.file_size_bytes is not None:
        sizes.append(size_text(image.file_size_bytes))
    if image.virtual_size_bytes is not None:
        sizes.append(f"a disk of {size_text(image.virtual_size_bytes)}")
    yield "file", ", ".join(sizes)
    if image.content:
        yield "content", image.content
    if image.sha256:
        yield "sha256", image.sha256
    machine = f"QEMU {tool.qemu}, {tool.accel}, {tool.firmware}" if tool.qemu else "not booted"
    yield "machine", f"{row.result.provider}: {machine}" + (f", on {row.worker}" * bool(row.worker))
    waited = f", after {row_words.duration(row.wait_s)} of building or download" * bool(row.wait_s)
    yield "took", f"{row_words.duration(row.wall_s)}{waited}"
    if row.attempts > 1:
        yield "attempts", str(row.attempts)
    if row.reused:
        yield "reused", f"a result of {row_words.moment(row.started_at)}"
    if row.catalog:
        yield "catalog", row.catalog
    if row.run_dir:
        yield "run", row.run_dir


def _matrix_duration(matrix: Matrix) -> str:
    """Return the duration of the matrix; "" if it has not ended."""
    if matrix.ended_at is None:
        return ""
    return row_words.duration((matrix.ended_at - matrix.started_at).total_seconds())
