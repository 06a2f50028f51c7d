import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import HostError, UsageError
from harness.host.scratch import scratch_folder


@pytest.fixture(autouse=True)
def root(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(scratch))
    return scratch


def test_scratch_folder_is_private_and_removed_at_the_end(root: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == root
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "overlay").write_bytes(b"x")
    assert list(root.iterdir()) == []


def test_scratch_folder_is_removed_after_an_exception(root: Path) -> None:
    with pytest.raises(RuntimeError), scratch_folder():
        raise RuntimeError
    assert list(root.iterdir()) == []


def test_folder_of_a_killed_run_is_removed_by_the_next(root: Path) -> None:
    code = "import os, signal\nfrom harness.host.scratch import scratch_folder\n"
    code += "with scratch_folder():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = root.iterdir()
    with scratch_folder() as folder:
        assert list(root.iterdir()) == [folder]
        assert left != folder


def test_folder_of_a_live_run_is_kept(root: Path) -> None:
    with scratch_folder() as first, scratch_folder() as second:
        assert first.exists()
        assert second.exists()


def test_folder_without_a_lock_is_kept(root: Path) -> None:
    (root / "harness-notes").mkdir()
    (root / "harness-link").symlink_to(root / "harness-notes")
    with scratch_folder():
        pass
    assert {path.name for path in root.iterdir()} == {"harness-notes", "harness-link"}


def test_missing_scratch_root_is_a_host_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", f"/nonexistent-{os.getpid()}")
    with pytest.raises(HostError, match="No such file") as caught, scratch_folder():
        pass
    assert caught.value.finding_id == "host.no-space"


def test_path_too_long_for_sockets_raises_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / ("long" * 20)
    root.mkdir()
    monkeypatch.setenv("TMPDIR", str(root))
    too_long = pytest.raises(UsageError, match="is too long: the sockets")
    with too_long, scratch_folder(sockets=True):
        pass
    assert list(root.iterdir()) == []


def test_long_path_is_accepted_without_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / ("long" * 20)
    root.mkdir()
    monkeypatch.setenv("TMPDIR", str(root))
    with scratch_folder() as folder:
        assert folder.is_relative_to(root)
