"""The answers to an installer: only to questions that the table knows, each once."""

from typing import Any

import pytest

from harness.diagnose.machine_state import MachineState
from harness.diagnose.prompts import Answer, Answerer, shipped_prompts
from harness.evidence import events
from harness.evidence.events import Event

# As the screens of real ISOs were read.
ISOLINUX = ["debian 12", "Debian GNU/Linux installer menu (BIOS mode)", "Install", "Help"]
GRUB = [
    " GNU GRUB  version 2.06",
    " *Install",
    "Use the ^ and v keys to select which entry is highlighted.",
]
LANGUAGE = [
    "(!!] Select a language",
    "Choose the language to be used for the installation process.",
]


def screen(*lines: str) -> Event:
    return events.ScreenText(lines=lines, background="#000000", how="ocr")


def serial(text: str) -> Event:
    return events.SerialLine(text=text, offset=0)


def quiet(reference_s: float = 5.0) -> Event:
    return events.Quiet(quiet_s=reference_s, reference_s=reference_s, last=False, slowness=1.0)


def reset() -> Event:
    return events.QmpEvent(name="RESET", detail={"guest": True})


def answers(*happened: Event, **state: Any) -> list[Answer]:
    answerer = Answerer()
    machine = MachineState(medium="iso", **state)
    given = (answerer.feed(event, machine) for event in happened)
    return [answer for answer in given if answer]


@pytest.mark.parametrize(
    ("lines", "prompt"),
    [(ISOLINUX, "isolinux.menu"), (GRUB, "grub.menu"), (LANGUAGE, "debian-installer.language")],
)
def test_a_question_that_is_known_is_answered_when_nothing_moves(lines, prompt) -> None:
    assert answers(screen(*lines)) == []
    assert answers(screen(*lines), quiet(4.0)) == []
    (answer,) = answers(screen(*lines), quiet())
    assert (answer.prompt.id, answer.place, answer.prompt.keys) == (prompt, "screen", ("ret",))


def test_an_unknown_question_is_not_answered() -> None:
    assert answers(screen("Overwrite the disk /dev/sda?", "<Yes> <No>"), quiet(150.0)) == []
    assert answers(quiet(150.0)) == []


def test_a_question_is_answered_once_in_a_boot() -> None:
    rows = (screen(*ISOLINUX), quiet(), screen(*ISOLINUX, "again"), quiet(8.0), quiet(15.0))
    assert len(answers(*rows)) == 1
    assert len(answers(*rows, reset(), screen(*ISOLINUX), quiet())) == 2


def test_a_menu_that_counts_down_is_left_alone() -> None:
    counting = [*GRUB, "The highlighted entry will be executed automatically in 5s."]
    assert answers(screen(*counting), quiet()) == []


def test_a_screen_that_was_replaced_is_not_answered() -> None:
    assert answers(screen(*ISOLINUX), screen("Loading /install.amd/vmlinuz... ok"), quiet()) == []


def test_a_boot_menu_is_ignored_once_a_kernel_runs() -> None:
    state = MachineState(medium="iso")
    state.timeline.reach("kernel", 1.0)
    answerer = Answerer()
    answerer.feed(screen(*GRUB), state)
    assert answerer.feed(quiet(), state) is None


def test_a_question_on_the_serial_line_is_answered_there() -> None:
    rows = [serial(line) for line in GRUB]
    (answer,) = answers(*rows, quiet())
    assert (answer.place, answer.prompt.serial) == ("serial", "\r")
    assert len(answers(*rows, quiet(), quiet(8.0))) == 1


def test_a_question_with_a_timeout_is_answered_at_once() -> None:
    (answer,) = answers(screen("Press any key to boot from CD or DVD....."))
    assert answer.prompt.id == "windows.press-any-key"


def test_every_question_says_where_its_text_comes_from() -> None:
    ids = [prompt.id for prompt in shipped_prompts()]
    assert len(ids) == len(set(ids))
    assert all(prompt.source for prompt in shipped_prompts())


def test_a_pause_before_the_end_of_a_short_limit_is_time_to_answer() -> None:
    pause = events.Pause(quiet_s=3.0, reference_s=3.0, last=False, slowness=1.0)
    (answer,) = answers(screen(*ISOLINUX), pause)
    assert answer.prompt.id == "isolinux.menu"
