"""The user's folders (XDG Base Directory Specification): those of harness and other programs."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path, user_config_path, user_state_path

_NAME = "harness"


def state_folder() -> Path:
    """The folder of runs and matrices: ``$XDG_STATE_HOME/harness``."""
    return user_state_path(_NAME)


def cache_folder() -> Path:
    """The folder of files that can be fetched again: ``$XDG_CACHE_HOME/harness``."""
    return user_cache_path(_NAME)


def program_cache_folder(program: str) -> Path:
    """The cache folder of another program of the user."""
    return user_cache_path(program)


def program_settings_folder(program: str) -> Path:
    """The settings folder of another program of the user."""
    return user_config_path(program)
