"""Evidence on its way: the files that are sent, and those that are accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.matrix import parcel
from harness.matrix.parcel import LEFT_OUT, ParcelError, pack, unpack


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_files_that_are_packed_are_unpacked_again(tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    (sent / "debian-12" / "counterfactual").mkdir(parents=True)
    (sent / "debian-12.attempt-1").mkdir()
    for name in ("debian-12", "debian-12/counterfactual", "debian-12.attempt-1"):
        (sent / name / "evidence.jsonl").write_text(name)
    (sent / "debian-12" / "screen-end.png").write_bytes(bytes(range(256)))
    unpack(dict(pack(sent)), tmp_path / "here", "debian-12")
    assert tree(tmp_path / "here") == tree(sent)


def test_links_and_pipes_are_not_sent(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "serial.log").symlink_to("/etc/hostname")
    (tmp_path / "a" / "folder").symlink_to("/etc")
    assert pack(tmp_path) == {}


def test_files_that_are_too_large_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "evidence.jsonl").write_text("evidence")
    with (tmp_path / "a" / "network.pcap").open("wb") as file:
        file.truncate(parcel.MAX_FILE_BYTES + 1)
    packed = pack(tmp_path)
    assert set(packed) == {"a/evidence.jsonl", f"a/{LEFT_OUT}"}
    assert packed[f"a/{LEFT_OUT}"] == b"network.pcap 67108865 bytes\n"
    unpack(dict(packed), tmp_path / "here", "a")


def test_the_evidence_is_packed_before_larger_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a.log", "b.log", "c.log", "evidence.jsonl"):
        with (tmp_path / "a" / name).open("wb") as file:
            file.truncate(parcel.MAX_FILE_BYTES - (name != "evidence.jsonl"))
    assert sorted(pack(tmp_path)) == ["a/a.log", "a/evidence.jsonl", f"a/{LEFT_OUT}"]


@pytest.mark.parametrize(
    "name",
    [
        "../evidence.jsonl",
        "a/../../evidence.jsonl",
        "/etc/passwd",
        "a//b",
        "a/.bashrc",
        "a",
        "b/evidence.jsonl",
        "ab/evidence.jsonl",
        "a.attempt-1.x/evidence.jsonl",
        "a/b/c/d/e",
        "a/\x1b[2J",
        "a/new\nline",
        "a/b\0",
        7,
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: object) -> None:
    with pytest.raises(ParcelError):
        unpack({"a/evidence.jsonl": b"first", name: b"then"}, tmp_path / "here", "a")
    assert not (tmp_path / "here").exists()


def test_a_value_that_is_no_content_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParcelError, match="no file"):
        unpack({"a/evidence.jsonl": "text"}, tmp_path / "here", "a")


def test_a_file_that_is_a_folder_too_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParcelError, match="a folder, too"):
        unpack({"a/b": b"", "a/b/c": b""}, tmp_path / "here", "a")
    assert not (tmp_path / "here").exists()


def test_too_much_is_refused(tmp_path: Path) -> None:
    many: dict[object, object] = {f"a/{number}": b"" for number in range(parcel.MAX_FILES + 1)}
    large = bytes(parcel.MAX_FILE_BYTES)
    for files in (many, {f"a/{number}": large for number in range(4)}):
        with pytest.raises(ParcelError, match="more than"):
            unpack(files, tmp_path / "here", "a")
