import subprocess
from pathlib import Path

from images.cpio import newc


def test_cpio_unpacks_what_was_packed(tmp_path: Path) -> None:
    files = {"init": b"#!/bin/sh\n", "modules/a.ko": b"x" * 5, "empty": b""}
    archive = newc(files, ("dev", "modules"))
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
