"""A run while it goes on: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from harness.diagnose.diagnosis import Diagnosis, Verdict
from harness.evidence import Observation
from harness.guest_text import printable
from harness.report.text import OUTCOME_STYLES


class Progress:
    """Shows the stage, how long it has lasted, and the last serial line. A subscriber of a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._diagnosis = Diagnosis()
        self._stage = ""
        self._since_s = time.monotonic()
        self._last_line = ""
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=8, transient=True
        )
        self.signal_number = 0
        """The signal that ended the run; 0 where none did."""

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, observation: Observation) -> None:
        """Take one observation."""
        if observation.channel == "serial" and "text" in observation.data:
            self._last_line = printable(str(observation.data["text"]), 120)
        if observation.channel == "host" and "signal" in observation.data:
            self.signal_number = int(observation.data["signal"])
        if (observation.channel, observation.kind) == ("run", "start"):
            self._begin(str(observation.data.get("change", "")))
        decided = self._diagnosis.verdict is not None
        verdict = self._diagnosis.feed(observation)
        timeline = self._diagnosis.timeline
        if timeline.reached_s and timeline.furthest != self._stage:
            self._enter_stage(timeline.furthest, observation.t_s)
        if verdict and not decided and verdict.stage:
            self._say_verdict(verdict)

    def _begin(self, change: str) -> None:
        """A boot begins: the first one, or one more with something changed."""
        self._diagnosis = Diagnosis()
        self._stage = ""
        if change:
            self._console.print(Text(f"\nonce more, with {change}", "bold"))

    def _say_verdict(self, verdict: Verdict) -> None:
        """The verdict in the moment it is there; what is written about it comes after."""
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

    def _render(self) -> RenderableType:
        lasted_s = time.monotonic() - self._since_s
        text = Text.assemble(
            (f"{self._stage or 'starting'} ", "bold"),
            (f"{lasted_s:.0f} s  ", "cyan"),
            (self._last_line, "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
        return Spinner("dots", text)
