"""Where things are looked for: what the modules of the tests may import."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# In the text, not only in the syntax tree: a program that a test writes imports, too.
_FROM_A_TEST = re.compile(
    r"^\s*(?:from|import) tests\.(?:\w+\.)*(?:test_\w+|conftest)\b", re.MULTILINE
)


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS))
)
def test_nothing_is_imported_from_a_test(path: Path) -> None:
    found = _FROM_A_TEST.findall(path.read_text())
    assert not found, "what several tests need has a module that is named for what it holds"
