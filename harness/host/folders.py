"""The user's folders (XDG Base Directory Specification): what harness keeps, and who else does."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path, user_config_path, user_state_path

_NAME = "harness"


def state_folder() -> Path:
    """The folder of runs and matrices: ``$XDG_STATE_HOME/harness``."""
    return user_state_path(_NAME)


def cache_folder() -> Path:
    """The folder of what can be had again: ``$XDG_CACHE_HOME/harness``."""
    return user_cache_path(_NAME)


def cache_of(program: str) -> Path:
    """The cache folder of another ``program`` of the user's."""
    return user_cache_path(program)


def settings_of(program: str) -> Path:
    """The folder of the settings of another ``program`` of the user's."""
    return user_config_path(program)
