"""Unexpected exceptions: the message of each, and the file of its traceback."""

import errno
import stat
from pathlib import Path

import pytest

from harness.errors import FormatError, InternalError, NoSpaceError, OutOfMemoryError, QemuError
from harness.host.bugs import TRACEBACK_FILE, as_fault
from harness.host.masking import without_secrets
from harness.provider.profile import read_profile


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "harness" / "tracebacks"


def caught(error: Exception) -> Exception:
    """Return ``error`` with a traceback."""
    with pytest.raises(type(error)) as raised:
        raise error
    return raised.value


def test_traceback_is_written_to_the_run_folder(tmp_path: Path) -> None:
    fault = as_fault(caught(KeyError("x")), tmp_path)
    assert isinstance(fault, InternalError)
    file = tmp_path / TRACEBACK_FILE
    assert fault.traceback_file == str(file)
    assert "KeyError: 'x'" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(fault).startswith("Internal error: KeyError in ")
    assert str(file) in str(fault)
    assert str(fault).count("\n") == 0


def test_traceback_without_a_run_folder_is_in_the_state_folder(tmp_path: Path, state: Path) -> None:
    fault = as_fault(caught(KeyError("x")), tmp_path / "no-run")
    (file,) = state.iterdir()
    assert str(file) in str(fault)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_message_says_when_no_traceback_could_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    fault = as_fault(caught(KeyError("x")))
    assert isinstance(fault, InternalError)
    assert "could not be written" in str(fault)
    assert fault.traceback_file == ""


def test_message_names_the_line_of_harness() -> None:
    with pytest.raises(AttributeError) as caught_here:
        read_profile(7)  # type: ignore[arg-type]
    said = str(as_fault(caught_here.value))
    assert "AttributeError in harness/model/table.py:" in said


def test_traceback_has_no_password_of_a_link(tmp_path: Path) -> None:
    as_fault(caught(ValueError("https://me:secret@example.org/x.qcow2")), tmp_path)
    assert "secret" not in (tmp_path / TRACEBACK_FILE).read_text()


def test_two_bugs_of_a_run_are_both_kept(tmp_path: Path) -> None:
    as_fault(caught(KeyError("first")), tmp_path)
    as_fault(caught(KeyError("second")), tmp_path)
    text = (tmp_path / TRACEBACK_FILE).read_text()
    assert "first" in text
    assert "second" in text


def test_as_fault_returns_a_fault_unchanged() -> None:
    fault = QemuError("QEMU has ended.")
    assert as_fault(fault) is fault


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), NoSpaceError),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), NoSpaceError),
        (MemoryError(), OutOfMemoryError),
        (OSError(errno.EACCES, "Permission denied", "/x"), InternalError),
        (FormatError("nobody caught it"), InternalError),
    ],
)
def test_as_fault_gives_each_exception_its_class(error: Exception, kind: type[Exception]) -> None:
    assert type(as_fault(caught(error))) is kind


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("GET http://user:pass@host/x", "GET http://***@host/x"),
        ("https://token@host/x and ftp://a:b@c", "https://***@host/x and ftp://***@c"),
        ("https://h/x?X-Amz-Signature=ab12&n=1", "https://h/x?X-Amz-Signature=***&n=1"),
        ("https://h/x?n=1&sig=ab%2F12", "https://h/x?n=1&sig=***"),
        ("mail me@host, 5 @ 3", "mail me@host, 5 @ 3"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAA\n-----END OPENSSH PRIVATE KEY-----", "***"),
        ("-----BEGIN PRIVATE KEY-----\nAAA", "***"),
    ],
)
def test_secrets_are_masked(text: str, safe: str) -> None:
    assert without_secrets(text) == safe
