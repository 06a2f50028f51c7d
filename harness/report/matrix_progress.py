"""The progress of a matrix: a line for each finished image, and the images at work."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from harness.evidence.guest_text import printable
from harness.matrix.progress import PhaseChange
from harness.matrix.record import CaseRow, Judgement
from harness.report.result_text import OUTCOME_STYLES
from harness.report.row_words import expectation_text

JUDGEMENT_STYLES: dict[Judgement, str] = {"right": "green", "wrong": "red", "error": "magenta"}


@dataclass(slots=True)
class _ActiveImage:
    phase: str
    since_s: float
    begun_s: float
    worker: str


class MatrixProgress:
    """The progress display of a matrix. It may be called from any thread."""

    def __init__(self, console: Console, names: tuple[str, ...], done: int = 0) -> None:
        self._console = console
        self._width = max((len(name) for name in names), default=0)
        self._count, self._done = len(names) + done, done
        self._judged: dict[Judgement, int] = {"right": 0, "wrong": 0, "error": 0}
        self._at_work: dict[str, _ActiveImage] = {}
        self._lock = threading.Lock()
        self._started_s = time.monotonic()
        self._live = Live(
            console=console, get_renderable=self.render, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> MatrixProgress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, what: PhaseChange | CaseRow) -> None:
        """Take a change of phase, or the result of an image."""
        with self._lock:
            if isinstance(what, PhaseChange):
                now_s = time.monotonic()
                before = self._at_work.get(what.name)
                begun_s = before.begun_s if before else now_s
                self._at_work[what.name] = _ActiveImage(what.phase, now_s, begun_s, what.worker)
                return
            self._at_work.pop(what.name, None)
            self._done += 1
            self._judged[what.judgement] += 1
            line = self._line(what)
        self._console.print(line, soft_wrap=True)

    def announce(self, line: str) -> None:
        """Show a line that says what is about to be done."""
        self._console.print(line, highlight=False)

    def _line(self, tried: CaseRow) -> Text:
        result = tried.result
        ending = result.cause or result.stage or ""
        line = Text.assemble(
            (f"{self._done:>{len(str(self._count))}}/{self._count}  ", "dim"),
            (f"{tried.judgement:<5}  ", JUDGEMENT_STYLES[tried.judgement]),
            f"{tried.name:<{self._width}}  ",
            (result.outcome.upper(), OUTCOME_STYLES[result.outcome]),
            f" {ending}".rstrip(),
            (f"  {result.timings_s['verdict']:.1f} s", "cyan"),
        )
        if tried.judgement == "wrong":
            line.append(f"  expected {expectation_text(tried.expected)}", "yellow")
        if tried.judgement == "error":
            line.append(f"  {printable(first_statement(tried), 200)}", "dim")
        if tried.reused:
            line.append("  as before", "dim")
        if tried.attempts > 1:
            line.append(f"  attempt {tried.attempts}", "dim")
        if tried.worker:
            line.append(f"  on {printable(tried.worker, 60)}", "dim")
        return line

    def render(self) -> RenderableType:
        """Return the images at work and the counts so far."""
        with self._lock:
            now_s = time.monotonic()
            table = Table.grid(padding=(0, 2))
            for name, row in sorted(self._at_work.items(), key=lambda item: item[1].begun_s):
                table.add_row(
                    Text(name, "bold"),
                    Text(printable(row.phase, 60)),
                    Text(f"{now_s - row.since_s:.0f} s", "cyan"),
                    Text(f"of {now_s - row.begun_s:.0f} s", "dim"),
                    Text(printable(row.worker, 40), "dim"),
                )
            return Group(table, Spinner("dots", self._summary()))

    def _summary(self) -> Text:
        text = Text.assemble((f"{self._done} of {self._count}", "bold"))
        for judgement, number in self._judged.items():
            if number:
                text.append(f"  {number} {judgement}", JUDGEMENT_STYLES[judgement])
        text.append(f"  {time.monotonic() - self._started_s:.0f} s", "cyan")
        return text


def first_statement(tried: CaseRow) -> str:
    """Return the sentence of the finding of the cause; "" without one."""
    found = tried.result.cause_finding
    return found.statement if found else ""
