"""TOML tables of the user, and the errors of invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.table import parse_table, read_table


def test_a_table_is_read_with_its_types(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[sizes]\nä = 3\n")
    with pytest.raises(UsageError, match="not TOML"):
        read_table(path, dict[str, dict[str, int]])
    path.write_text('[sizes]\n"ä" = 3\n', encoding="utf-8")
    assert read_table(path, dict[str, dict[str, int]]) == {"sizes": {"ä": 3}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x = ", "not TOML"),
        (b"x = \xff", "byte 4 is not UTF-8"),
        (b"#" * (5 << 20), "larger than"),
        (b'x = "text"', "x.toml: "),
    ],
)
def test_an_invalid_table_raises_an_error_that_names_the_file(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        read_table(path, dict[str, int])
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_raises_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_table(tmp_path / "x.toml", dict[str, int])


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse_table('a = "x"\nb = "y"\n', "here", dict[str, int])
    assert "a" in str(caught.value)
    assert "b" in str(caught.value)
    assert "\n" not in str(caught.value)
