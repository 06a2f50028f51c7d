"""The default folders of runs and of matrices."""

from __future__ import annotations

import datetime
import re
import secrets
from pathlib import Path

from harness.host.folders import state_folder
from harness.net.link import is_url, name_in_url


def new_run_dir(location: str, base: Path | None = None) -> Path:
    """Return the path of a new folder, named after the time and the image.

    It is in ``base``, else under the user's state folder (XDG Base Directory Specification).
    """
    name = f"{_now()}-{_stem(location)}-{secrets.token_hex(2)}"
    return (base or state_folder() / "runs") / name


def new_report_dir() -> Path:
    """Return the path of a folder for a matrix, by the time, under the user's state folder."""
    return state_folder() / "matrix" / _now()


def _now() -> str:
    return f"{datetime.datetime.now().astimezone():%Y%m%d-%H%M%S}"


def _stem(location: str) -> str:
    """Return a short name of the image that is fit for a folder."""
    name = name_in_url(location) if is_url(location) else Path(location).name
    return re.sub(r"[^\w.-]+", "_", Path(name).stem)[:40] or "image"
