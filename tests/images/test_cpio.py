import gzip
import lzma
import subprocess

import pytest

from harness.newc import newc
from images.cpio import without


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
