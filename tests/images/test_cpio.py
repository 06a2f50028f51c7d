import gzip
import lzma
import stat
import subprocess
from pathlib import Path

import pytest

from harness.image.fs.newc import NewcEntry, newc_archive, pack_newc
from images.cpio import entries_of, without


def test_entries_are_left_out_and_what_comes_before_is_kept() -> None:
    early = newc_archive({"kernel/x86/microcode/GenuineIntel.bin": b"m" * 9})
    early += bytes(-len(early) % 512)
    main = newc_archive({"init": b"i", "lib/a.ko": b"a", "lib/b.ko": b"b"})
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


def test_other_file_is_refused() -> None:
    with pytest.raises(ValueError, match="packed in an unknown way"):
        without(b"not one", lambda _: False)


def test_packed_entries_are_read_again(tmp_path: Path) -> None:
    entries = [
        NewcEntry("usr", stat.S_IFDIR | 0o755),
        NewcEntry("usr/a", stat.S_IFREG | 0o644, b"x" * 5),
        NewcEntry("usr/b", stat.S_IFLNK | 0o777, b"a"),
    ]
    archive = pack_newc(entries)
    assert list(entries_of(gzip.compress(archive))) == entries
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=tmp_path, check=True)
    assert (tmp_path / "usr" / "b").readlink() == Path("a")
    assert (tmp_path / "usr" / "a").stat().st_mode & 0o777 == 0o644
