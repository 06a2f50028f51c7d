import gzip
import subprocess
from pathlib import Path

from harness.image.fs.newc import append_files, newc_archive


def test_cpio_unpacks_an_archive(tmp_path: Path) -> None:
    files = {"init": b"#!/bin/sh\n", "modules/a.ko": b"x" * 5, "empty": b""}
    archive = newc_archive(files, ("dev", "modules"))
    assert len(archive) % 4 == 0
    listing = subprocess.run(
        ["cpio", "-itv", "--quiet", "--numeric-uid-gid"], input=archive, capture_output=True
    ).stdout.decode()
    rows = {line.split()[-1]: line.split() for line in listing.splitlines()}
    assert set(rows) == {"dev", "modules", "dev/console", *files}
    assert rows["init"][0] == "-rwxr-xr-x"
    assert rows["init"][2:4] == ["0", "0"]
    assert rows["dev/console"][0].startswith("c")
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=tmp_path, check=True)
    assert (tmp_path / "modules" / "a.ko").read_bytes() == b"x" * 5


def test_files_are_appended_to_an_initrd_of_any_length(tmp_path: Path) -> None:
    """The order of the kernel: a compressed archive, zeros, a plain one at a multiple of 4."""
    for filler in range(4):
        packed = gzip.compress(newc_archive({"init": b"i" * filler}), mtime=0)
        initrd = append_files(packed, {"preseed.cfg": b"d-i x\n", "a/b/c": b"deep"})
        assert initrd.startswith(packed)
        behind = initrd[len(packed) :].lstrip(b"\0")
        assert (len(initrd) - len(behind)) % 4 == 0
        folder = tmp_path / str(filler)
        folder.mkdir()
        subprocess.run(["cpio", "-idm", "--quiet"], input=behind, cwd=folder, check=True)
        assert (folder / "preseed.cfg").read_text() == "d-i x\n"
        assert (folder / "a/b/c").read_text() == "deep"
        assert not (folder / "dev").exists(), "nodes are the first archive's"
