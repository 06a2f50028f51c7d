"""The user's folders of the XDG specification."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.host.folders import (
    cache_folder,
    program_cache_folder,
    program_settings_folder,
    state_folder,
)


@pytest.mark.parametrize(
    ("variable", "default", "folder", "name"),
    [
        ("XDG_STATE_HOME", ".local/state", state_folder, "harness"),
        ("XDG_CACHE_HOME", ".cache", cache_folder, "harness"),
        ("XDG_CACHE_HOME", ".cache", lambda: program_cache_folder("other"), "other"),
        ("XDG_CONFIG_HOME", ".config", lambda: program_settings_folder("other"), "other"),
    ],
)
def test_xdg_folders_follow_their_variable_or_home(
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
