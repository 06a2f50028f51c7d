"""The console lines that a report shows, and the decisive ones among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report.console_lines import MAX_LINES, ConsoleLine, lines_to_show, read_consoles
from harness.trial.replay import replay
from tests.report.samples import serial, unpack, write_evidence


def lines_of(*texts: str) -> list[ConsoleLine]:
    return [ConsoleLine(float(number), text) for number, text in enumerate(texts)]


def marked(lines: list[ConsoleLine], evidence: tuple[str, ...]) -> list[float | None]:
    return [line.t_s for line in lines_to_show(lines, evidence, {}) if line.decisive]


def test_last_of_repeated_lines_is_decisive() -> None:
    lines = lines_of("retry", "failed", "retry", "failed", "shell")
    assert marked(lines, ("retry", "failed")) == [2.0, 3.0]


def test_the_order_of_the_evidence_counts() -> None:
    assert marked(lines_of("b", "a", "b"), ("a", "b")) == [1.0, 2.0]


def test_text_of_the_diagnosis_marks_no_line() -> None:
    assert marked(lines_of("one", "two"), ("one", "nothing moved for 15 s")) == [0.0]


def test_spacing_and_escapes_do_not_matter() -> None:
    assert marked(lines_of("a  \x1b[1mpanic\t!"), ("a panic !",)) == [0.0]


def test_long_log_keeps_its_end_and_decisive_lines() -> None:
    lines = lines_of(*(f"line {number}" for number in range(2000)))
    shown = lines_to_show(lines, ("line 100",), {})
    assert [line.text for line in shown][:13] == [f"line {number}" for number in range(94, 107)]
    assert len(shown) == 13 + MAX_LINES
    assert shown[0].left_out == 94
    assert shown[13].left_out == 2000 - MAX_LINES - 107


def test_a_stage_stands_at_the_first_line_after_it() -> None:
    shown = lines_to_show(lines_of("a", "b", "c"), (), {"kernel": 0.5, "root": 2.0})
    assert [line.stage for line in shown] == ["", "kernel", "root"]


def test_stage_before_a_gap_is_shown_after_it() -> None:
    lines = lines_of(*(str(number) for number in range(500)))
    assert lines_to_show(lines, (), {"kernel": 10.0})[0].stage == "kernel"


def test_line_is_printable_and_short() -> None:
    (line,) = lines_to_show(lines_of("\x1b[2J\x00" + "x" * 1_000_000), (), {})
    assert len(line.text) == 300
    assert "\x1b" not in line.text


def test_continued_prompt_appears_once(tmp_path: Path) -> None:
    prompt = {"t_s": 1, "channel": "serial", "kind": "prompt", "text": "login: ", "offset": 5}
    write_evidence(tmp_path, [prompt, {**prompt, "kind": "line", "text": "login: root"}])
    assert [row.text for row in read_consoles(tmp_path).lines["serial"]] == ["login: root"]


def test_bare_log_is_read_without_evidence(tmp_path: Path) -> None:
    (tmp_path / "serial.log").write_bytes(b"one\r\n\r\n\x1b[1mtwo\xff")
    assert [row.text for row in read_consoles(tmp_path).lines["serial"]] == ["one", "two\ufffd"]


def test_folder_without_record_has_no_lines(tmp_path: Path) -> None:
    assert read_consoles(tmp_path / "none").lines == {"serial": []}


@pytest.mark.parametrize(
    ("name", "channel", "last"),
    [
        ("initramfs-no-virtio-scsi", "serial", "ALERT!"),
        ("panic-on-screen", "screen", "end Kernel panic"),
        ("grub-rescue", "screen", "grub rescue>"),
    ],
)
def test_decisive_lines_of_recorded_boots_are_marked(
    tmp_path: Path, name: str, channel: str, last: str
) -> None:
    run = unpack(name, tmp_path)
    result = replay(run)
    cause = next(row for row in result.findings if row.id == result.cause)
    lines = lines_to_show(read_consoles(run).lines[channel], cause.evidence, {})
    hot = [line.text for line in lines if line.decisive]
    assert last in " ".join(hot[-3:])


def test_a_lone_surrogate_does_no_harm(tmp_path: Path) -> None:
    write_evidence(tmp_path, serial("a\ud800b"))
    assert len(lines_to_show(read_consoles(tmp_path).lines["serial"], (), {})) == 1
