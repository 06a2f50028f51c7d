"""The questions that an installer asks at its start, and the key that accepts the default.

The table is ``prompts.toml``. A person would answer at the console of the machine; harness accepts
the default where the table knows the question. It never types anything else.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from harness.diagnose.machine_state import MachineState
from harness.diagnose.rules import When
from harness.evidence.events import (
    Event,
    Pause,
    Place,
    QmpEvent,
    Quiet,
    ScreenText,
    SerialLine,
    SerialPrompt,
)
from harness.model.table import shipped_table

# A question on a serial line is drawn there as on a screen of 24 lines.
_SERIAL_LINES = 24


class Prompt(BaseModel):
    """One row of the table: a question, and its answer.

    The question is asked where every pattern of ``all_of`` is on the screen, or among the last
    lines of the serial console, and nothing has moved for ``quiet_s`` seconds of the reference
    host; 0 answers at once, for a question with a timeout of its own. ``keys`` are pressed one
    after the other, in QEMU's names (QKeyCode); ``serial`` is the same answer on a serial line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    all_of: tuple[re.Pattern[str], ...] = Field(min_length=1)
    none_of: tuple[re.Pattern[str], ...] = ()
    quiet_s: float = Field(default=5.0, ge=0)
    when: When = When()
    keys: tuple[str, ...] = ("ret",)
    serial: str = "\r"
    source: str = Field(min_length=1)

    def is_asked(self, text: str) -> bool:
        """Tell whether ``text`` holds this question."""
        return all(row.search(text) for row in self.all_of) and not any(
            row.search(text) for row in self.none_of
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question of an installer, and the place to type it."""

    prompt: Prompt
    place: Place


@cache
def shipped_prompts() -> tuple[Prompt, ...]:
    """Return the prompts that come with harness, in the order in which they are tried."""
    return shipped_table(__package__, "prompts.toml", dict[str, tuple[Prompt, ...]])["prompt"]


class Answerer:
    """The choice of answers to an installer; each question is answered once in each boot."""

    def __init__(self, prompts: tuple[Prompt, ...] | None = None) -> None:
        self._prompts = shipped_prompts() if prompts is None else prompts
        self._screen = ""
        self._serial: deque[str] = deque(maxlen=_SERIAL_LINES)
        self._answered: set[str] = set()

    def feed(self, event: Event, state: MachineState) -> Answer | None:
        """Take an event and the state after it; return the answer to give now, if there is one."""
        match event:
            case ScreenText(lines=lines):
                self._screen = "\n".join(lines)
            case SerialLine(text=text) | SerialPrompt(text=text):
                self._serial.append(text)
            case QmpEvent(name="RESET"):
                self._forget()
            case Quiet(reference_s=reference_s):
                return self._answer(reference_s, state)
            case Pause():
                return self._answer(math.inf, state)
            case _:
                return None
        return self._answer(0.0, state)

    def _forget(self) -> None:
        """Forget the boot: after a restart the machine may ask the same again."""
        self._screen = ""
        self._serial.clear()
        self._answered.clear()

    def _answer(self, quiet_s: float, state: MachineState) -> Answer | None:
        for answer in self._asked(state):
            if answer.prompt.quiet_s <= quiet_s:
                self._answered.add(answer.prompt.id)
                # The answer scrolls the question away.
                self._serial.clear()
                return answer
        return None

    def _asked(self, state: MachineState) -> Iterator[Answer]:
        """Yield answers to the open questions, on the screen first: a keyboard works everywhere."""
        for prompt in self._prompts:
            if prompt.id in self._answered or not prompt.when.holds(state):
                continue
            if prompt.is_asked(self._screen):
                yield Answer(prompt, "screen")
            elif prompt.is_asked("\n".join(self._serial)):
                yield Answer(prompt, "serial")
