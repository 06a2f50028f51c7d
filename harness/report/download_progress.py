"""The progress of a download: a bar on a terminal, a line for each tenth elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from harness.report.result_text import size_text


class DownloadProgress:
    """The progress display of a download. Call it with the received and the total bytes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("downloading"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("download", total=None)
        self._tenth = -1

    def __enter__(self) -> DownloadProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, received_bytes: int, total_bytes: int | None) -> None:
        """Show the received bytes."""
        self._bar.update(self._task, completed=received_bytes, total=total_bytes)
        if self._console.is_terminal or not total_bytes:
            return
        tenth = received_bytes * 10 // total_bytes
        if tenth != self._tenth:
            self._tenth = tenth
            whole = size_text(total_bytes)
            self._console.print(f"downloading: {tenth * 10} % of {whole}", highlight=False)
