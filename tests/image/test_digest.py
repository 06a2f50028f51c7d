import hashlib
import subprocess
import threading
from pathlib import Path

import pytest

from harness.image.digest import digest_of, sha256_of


@pytest.mark.parametrize("size", [0, 1, (4 << 20) - 1, 4 << 20, (8 << 20) + 5])
def test_sha256_of_equals_sha256sum(tmp_path: Path, size: int) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(range(251)) * (size // 251) + b"x" * (size % 251))
    said = subprocess.run(["sha256sum", image], capture_output=True, text=True, check=True).stdout
    assert sha256_of(image) == said.split()[0]


def test_digest_of_supports_other_algorithms(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"abc")
    assert digest_of(image, "sha512") == hashlib.sha512(b"abc").hexdigest()


def test_digest_of_ends_when_it_is_stopped(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(1 << 40)
    stop = threading.Event()
    stop.set()
    sha256_of(image, stop)


def test_a_missing_file_raises_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path / "image")
