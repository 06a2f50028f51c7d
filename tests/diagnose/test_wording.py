"""No verdict and no finding depends on the wording of another."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.diagnose.rules import Rule, RuleBook, shipped_rules
from harness.model.finding import Explanation, finding_catalog
from harness.trial.replay import replay
from harness.trial.result import EVIDENCE_FILE, Result

_RECORDINGS = sorted(Path(__file__).parent.parent.rglob("*.evidence.jsonl.xz"))
_OTHER_WORDS = "Something else is said here"


def _reworded_entry(entry: Explanation) -> Explanation:
    others = {tag: f"{_OTHER_WORDS} for {tag}" for tag in entry.remedies}
    return entry.model_copy(update={"remedy": _OTHER_WORDS, "remedies": others})


def _reworded_rule(rule: Rule) -> Rule:
    statement = {"statement": _OTHER_WORDS} if rule.statement else {}
    remedy = {"remedy": _OTHER_WORDS} if rule.remedy else {}
    return rule.model_copy(update={**statement, **remedy})


def _reworded(value: Any) -> Any:
    """A recorded value in which every statement, remedy and line of evidence has other words."""
    if isinstance(value, list):
        return [_reworded(row) for row in value]
    if not isinstance(value, dict):
        return value
    words: dict[str, Any] = {name: _reworded(row) for name, row in value.items()}
    for name in ("statement", "remedy"):
        if words.get(name):
            words[name] = _OTHER_WORDS
    if "evidence" in words:
        words["evidence"] = [_OTHER_WORDS for _ in words["evidence"]]
    return words


@pytest.fixture
def other_words(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Catalog and rules with other statements and remedies."""
    entries = finding_catalog()
    assert isinstance(entries, dict)
    for finding_id, entry in list(entries.items()):
        monkeypatch.setitem(entries, finding_id, _reworded_entry(entry))
    book = shipped_rules()
    rules = book.rules
    # The book is kept for the whole process: what it holds is replaced, and put back.
    RuleBook.__init__(book, map(_reworded_rule, rules), book.ignored)
    yield
    RuleBook.__init__(book, rules, book.ignored)


def _replayed(lines: list[str], folder: Path) -> Result:
    folder.mkdir()
    (folder / EVIDENCE_FILE).write_text("\n".join(lines) + "\n", encoding="ascii")
    return replay(folder)


def _judged(result: Result) -> tuple[object, ...]:
    second = result.counterfactual
    return (
        result.outcome,
        result.stage,
        result.cause,
        [(row.id, row.severity) for row in result.findings],
        second and (second.outcome, second.cause),
    )


@pytest.mark.programs
@pytest.mark.parametrize("packed", _RECORDINGS, ids=lambda path: path.name.partition(".")[0])
def test_other_words_change_no_verdict(
    packed: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lines = lzma.decompress(packed.read_bytes()).decode("ascii").splitlines()
    before = _replayed(lines, tmp_path / "before")
    request.getfixturevalue("other_words")
    after = _replayed(
        [json.dumps(_reworded(json.loads(line))) for line in lines], tmp_path / "after"
    )
    assert _judged(after) == _judged(before)
