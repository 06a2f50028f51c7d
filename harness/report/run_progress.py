"""The progress of a run: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.judge import Verdict
from harness.evidence.events import (
    DiskWrites,
    FrameCount,
    HostFault,
    PromptAnswer,
    RunStart,
    SerialLine,
    SerialPrompt,
)
from harness.evidence.guest_text import printable
from harness.evidence.log import Observation
from harness.report.result_text import OUTCOME_STYLES, size_text


class RunProgress:
    """A listener that shows the stage, its duration, and the last serial line.

    Bytes written and frames sent show that a silent installation still works.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_decided = False
        self._stage = ""
        self._since_s = time.monotonic()
        self._last_line = ""
        self._written_bytes = self._frames = 0
        self._live = Live(
            console=console, get_renderable=self.render, refresh_per_second=8, transient=True
        )
        self.signal_number = 0
        """The signal that ended the run; 0 if none did."""

    def __enter__(self) -> RunProgress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, observation: Observation, diagnosis: Diagnosis) -> None:
        """Take one observation, and the diagnosis of its boot, which has it already."""
        self._take_event(observation)
        stage = diagnosis.tracker.stage
        if stage and stage != self._stage:
            self._enter_stage(stage, observation.t_s)
        verdict = diagnosis.verdict
        if verdict and not self._is_decided:
            self._is_decided = True
            if verdict.stage:
                self._say_verdict(verdict)

    def _take_event(self, observation: Observation) -> None:
        match observation.event:
            case RunStart() as start:
                self._begin(start)
            case SerialLine(text=text) | SerialPrompt(text=text):
                self._last_line = printable(text, 120)
            case DiskWrites(written_bytes=written_bytes):
                self._written_bytes = written_bytes
            case FrameCount(count=count):
                self._frames = count
            case HostFault(signal=int() as number):
                self.signal_number = number
            case PromptAnswer(prompt=prompt):
                self._say_answer(prompt, observation.t_s)

    def title(self, text: str) -> None:
        """Print a heading for the lines that follow."""
        self._console.print(Text(f"\n{printable(text, 120)}", "bold"))

    def _begin(self, start: RunStart) -> None:
        """Reset the display for a boot: the first, a second one, or a part of an installation."""
        self._is_decided = False
        self._stage = self._last_line = ""
        self._written_bytes = self._frames = 0
        if start.change or start.part:
            self.title(f"once more, with {start.change}" if start.change else start.part)

    def _say_answer(self, prompt: str, t_s: float) -> None:
        """Print the answer to a prompt of the guest."""
        line = Text.assemble((f"{t_s:7.1f} s  ", "cyan"), (f"answered {prompt}", "dim"))
        self._console.print(line)

    def _say_verdict(self, verdict: Verdict) -> None:
        """Print the verdict as soon as it is known; the full result follows at the end."""
        line = Text.assemble(
            (f"{verdict.at_s:7.1f} s  ", "cyan"),
            (verdict.outcome.upper(), OUTCOME_STYLES[verdict.outcome]),
            f"  {verdict.cause}" if verdict.cause else "",
        )
        self._console.print(line)

    def _enter_stage(self, stage: str, t_s: float) -> None:
        self._stage = stage
        self._since_s = time.monotonic()
        line = Text.assemble((f"{t_s:7.1f} s  ", "cyan"), stage)
        self._console.print(line)

    def render(self) -> RenderableType:
        """Return the line that changes: stage, duration, traffic, last serial line."""
        lasted_s = time.monotonic() - self._since_s
        text = Text.assemble(
            (f"{self._stage or 'starting'} ", "bold"),
            (f"{lasted_s:.0f} s  ", "cyan"),
            (self._traffic_text(), "cyan"),
            (self._last_line, "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
        return Spinner("dots", text)

    def _traffic_text(self) -> str:
        """Return the bytes written and frames sent so far; "" if there are none."""
        written = f"{size_text(self._written_bytes)} written  " if self._written_bytes else ""
        return written + (f"{self._frames} frames  " if self._frames else "")
