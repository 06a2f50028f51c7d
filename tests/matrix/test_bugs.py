"""A bug while an image is tried is the row of that image; the others go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import InternalError
from harness.matrix import attempt as attempts
from harness.matrix.acquire import AcquiredImage
from harness.matrix.attempt import Options
from harness.matrix.catalog import CatalogEntry, PlannedCase
from harness.matrix.folder import MatrixFolder
from harness.matrix.local import run_local
from harness.matrix.progress import ProgressListener
from harness.matrix.stop import Stop
from harness.net.link import LinkError


def _planned(folder: Path, name: str) -> PlannedCase:
    entry = CatalogEntry(name=name, file="x.qcow2")
    return PlannedCase(entry=entry, catalog="x.toml", folder=folder, recipes=None)


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_a_bug_is_the_row_of_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def acquire(planned: PlannedCase, stop: Stop, tell: ProgressListener) -> AcquiredImage:
        if planned.entry.name == "broken":
            raise ZeroDivisionError("a bug that a test put there")
        raise LinkError("unreachable", "there is no such host")

    monkeypatch.setattr(attempts, "acquire", acquire)
    rows = [_planned(tmp_path, name) for name in ("broken", "link")]
    names = [row.entry.name for row in rows]
    with MatrixFolder(tmp_path / "out", names, resume=False) as folder:
        stop = Stop()
        options = Options(retries=3)
        run_local(
            *(rows, options, folder, 1), has_room=lambda: True, stop=stop, tell=lambda _: None
        )
        came = folder.matrix()
    first, second = came.tried
    assert (first.judgement, first.result.outcome) == ("error", "error")
    assert (first.result.cause, first.attempts) == ("internal.error", 1)
    assert "ZeroDivisionError" in first.result.findings[0].statement
    assert second.result.cause == "url.unreachable"
    assert not stop.is_set


def test_a_program_that_reports_a_bug_is_believed() -> None:
    said = {"schema": "harness.error/1", "cause": "internal.error", "statement": "A bug."}
    found = attempts._bug_in(json.dumps(said))
    assert isinstance(found, InternalError)
    assert str(found) == "A bug."
    for other in ("", "[]", "{}", '{"cause": "host.no-space"}', "no json"):
        assert attempts._bug_in(other) is None
