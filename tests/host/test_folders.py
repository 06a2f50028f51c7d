"""The user's folders are those of the XDG specification."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.host.folders import cache_folder, cache_of, settings_of, state_folder


@pytest.mark.parametrize(
    ("variable", "default", "folder", "name"),
    [
        ("XDG_STATE_HOME", ".local/state", state_folder, "harness"),
        ("XDG_CACHE_HOME", ".cache", cache_folder, "harness"),
        ("XDG_CACHE_HOME", ".cache", lambda: cache_of("other"), "other"),
        ("XDG_CONFIG_HOME", ".config", lambda: settings_of("other"), "other"),
    ],
)
def test_a_variable_names_it_or_the_home_has_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    default: str,
    folder: Callable[[], Path],
    name: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, str(tmp_path / "set"))
    assert folder() == tmp_path / "set" / name
    monkeypatch.delenv(variable)
    assert folder() == tmp_path / default / name
