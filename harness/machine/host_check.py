"""One answer of ``harness doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "note"]


@dataclass(frozen=True, slots=True)
class HostCheck:
    """One thing looked at. ``missing`` keeps harness from working; ``note`` does not."""

    name: str
    state: State
    detail: str
