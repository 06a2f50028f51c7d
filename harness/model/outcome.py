"""The outcome of a run."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["pass", "fail", "inconclusive", "error"]
