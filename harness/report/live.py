"""A run while it goes on: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from harness.diagnose.diagnosis import Diagnosis, Verdict
from harness.evidence.guest_text import printable
from harness.evidence.log import Observation
from harness.report.text import OUTCOME_STYLES, size_text


class Progress:
    """Shows the stage, how long it has lasted, and the last serial line. A subscriber of a log.

    Of an installation also what it does while it says nothing: bytes written, frames sent.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._diagnosis = Diagnosis()
        self._stage = ""
        self._since_s = time.monotonic()
        self._last_line = ""
        self._written_bytes = self._frames = 0
        self._live = Live(
            console=console, get_renderable=self.render, refresh_per_second=8, transient=True
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
        self._take_traffic(observation)
        if observation.channel == "host" and "signal" in observation.data:
            self.signal_number = int(observation.data["signal"])
        if (observation.channel, observation.kind) == ("run", "start"):
            self._begin(observation)
        if (observation.channel, observation.kind) == ("machine", "key"):
            self._say_key(observation)
        decided = self._diagnosis.verdict is not None
        verdict = self._diagnosis.feed(observation)
        timeline = self._diagnosis.timeline
        if timeline.reached_s and timeline.furthest != self._stage:
            self._enter_stage(timeline.furthest, observation.t_s)
        if verdict and not decided and verdict.stage:
            self._say_verdict(verdict)

    def title(self, text: str) -> None:
        """Print what the lines from here on are about."""
        self._console.print(Text(f"\n{printable(text, 120)}", "bold"))

    def _begin(self, start: Observation) -> None:
        """A boot begins: the first one, one with something changed, or one of an installation."""
        self._diagnosis = Diagnosis()
        self._stage = self._last_line = ""
        self._written_bytes = self._frames = 0
        change, part = start.data.get("change", ""), start.data.get("part", "")
        if change or part:
            self.title(f"once more, with {change}" if change else str(part))

    def _take_traffic(self, observation: Observation) -> None:
        if (observation.channel, observation.kind) == ("disk", "writes"):
            self._written_bytes = int(observation.data["written_bytes"])
        if (observation.channel, observation.kind) == ("network", "frames"):
            self._frames = int(observation.data["count"])

    def _say_key(self, key: Observation) -> None:
        """What was typed for the person who would sit there."""
        line = Text.assemble(
            (f"{key.t_s:7.1f} s  ", "cyan"), (f"answered {key.data['prompt']}", "dim")
        )
        self._console.print(line)

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

    def render(self) -> RenderableType:
        """The line that changes: the stage and how long it has lasted, what is done and said."""
        lasted_s = time.monotonic() - self._since_s
        text = Text.assemble(
            (f"{self._stage or 'starting'} ", "bold"),
            (f"{lasted_s:.0f} s  ", "cyan"),
            (self._traffic(), "cyan"),
            (self._last_line, "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
        return Spinner("dots", text)

    def _traffic(self) -> str:
        """What a machine does that says nothing; "" where it has done nothing yet."""
        written = f"{size_text(self._written_bytes)} written  " if self._written_bytes else ""
        return written + (f"{self._frames} frames  " if self._frames else "")
