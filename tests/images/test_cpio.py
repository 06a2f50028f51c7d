import gzip
import lzma
import stat
import subprocess
from pathlib import Path

import pytest

from images.cpio import Entry, entries_of, newc, pack, without


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


def test_entries_are_left_out_and_what_comes_before_is_kept() -> None:
    early = newc({"kernel/x86/microcode/GenuineIntel.bin": b"m" * 9})
    early += bytes(-len(early) % 512)
    main = newc({"init": b"i", "lib/a.ko": b"a", "lib/b.ko": b"b"})
    for packed in (main, gzip.compress(main), lzma.compress(main)):
        changed, dropped = without(early + packed, lambda path: path.endswith("a.ko"))
        assert dropped == 1
        assert changed.startswith(early)
        listing = subprocess.run(
            ["cpio", "-it", "--quiet"],
            input=gzip.decompress(changed[len(early) :]),
            capture_output=True,
        )
        assert listing.stdout.decode().split() == ["dev/console", "init", "lib/b.ko"]


def test_what_is_no_initramfs_is_refused() -> None:
    with pytest.raises(ValueError, match="packed in an unknown way"):
        without(b"not one", lambda _: False)


def test_what_was_packed_is_read_again(tmp_path: Path) -> None:
    entries = [
        Entry("usr", stat.S_IFDIR | 0o755),
        Entry("usr/a", stat.S_IFREG | 0o644, b"x" * 5),
        Entry("usr/b", stat.S_IFLNK | 0o777, b"a"),
    ]
    archive = pack(entries)
    assert list(entries_of(gzip.compress(archive))) == entries
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=tmp_path, check=True)
    assert (tmp_path / "usr" / "b").readlink() == Path("a")
    assert (tmp_path / "usr" / "a").stat().st_mode & 0o777 == 0o644
