"""Third-party files that are not part of the project, and the mark of a test that reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CORPUS = Path(os.environ.get("HARNESS_CORPUS", Path(__file__).parents[2] / "shared" / "corpus"))

needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}: HARNESS_CORPUS names another place"
)
judges_corpus = [pytest.mark.corpus, pytest.mark.programs, needs_corpus]
