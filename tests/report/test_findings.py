"""A finding is cut and made harmless in one place, within the limits of each report."""

from harness.model.finding import Finding
from harness.report.findings import PANEL, REPORT, by_weight, shown_finding


def made(finding_id: str, severity: str = "error", **more: object) -> Finding:
    row = {"id": finding_id, "severity": severity, "statement": "It is so.", **more}
    return Finding.model_validate(row)


def test_last_lines_of_evidence_are_shown() -> None:
    row = made("boot.hung", evidence=[f"line {number}" for number in range(20)])
    assert shown_finding(row, REPORT).evidence == tuple(
        f"line {number}" for number in range(12, 20)
    )
    assert shown_finding(row, PANEL).evidence == ("line 17", "line 18", "line 19")


def test_guest_text_is_made_printable() -> None:
    row = made("boot.hung", statement="a\x1b[2Jb", evidence=["c\x07d"], remedy="e\rf")
    shown = shown_finding(row)
    assert all(text.isprintable() for text in (shown.statement, *shown.evidence, shown.remedy))


def test_texts_are_cut() -> None:
    row = made("boot.hung", statement="s" * 5000, evidence=["e" * 5000], remedy="r" * 5000)
    shown = shown_finding(row, PANEL)
    assert len(shown.statement) <= PANEL.statement_chars
    assert len(shown.evidence[0]) <= PANEL.line_chars
    assert len(shown.remedy) <= PANEL.remedy_chars


def test_note_has_no_advice() -> None:
    assert shown_finding(made("iso.hybrid", "info", remedy="Nothing.")).advice == ""
    assert shown_finding(made("boot.hung", remedy="Look.")).advice == "Look."


def test_findings_are_sorted_by_cause_then_severity() -> None:
    rows = [made("a.note", "info"), made("b.warns", "warning"), made("c.fails"), made("d.fails")]
    assert [row.id for row in by_weight(rows, "b.warns")] == [
        "b.warns",
        "c.fails",
        "d.fails",
        "a.note",
    ]
