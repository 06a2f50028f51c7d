"""Whether a download was held against a checksum is told."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.examine.image_report import ImageFacts, examine, fetch
from harness.model.finding import Finding
from harness.provider.profile import load_profile
from tests.server import Server, serving


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image = tmp_path / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    with serving({"image.qcow2": image.read_bytes()}) as running:
        yield running


def _of_download(server: Server) -> Finding:
    url, profile = server.url("image.qcow2"), load_profile("contabo")
    facts: ImageFacts = fetch(examine(url, profile), url, profile, lambda _read, _of: None, None)
    assert facts.held
    facts.held.close()
    (row,) = (row for row in facts.findings if row.id in ("url.verified", "url.not-verified"))
    return row


def test_a_download_that_a_list_vouches_for(server: Server) -> None:
    digest = hashlib.sha256(server.files["image.qcow2"]).hexdigest()
    server.files["SHA256SUMS"] = f"{digest}  image.qcow2\n".encode()
    row = _of_download(server)
    assert (row.id, row.severity) == ("url.verified", "info")
    assert "SHA256SUMS" in row.statement
    assert row.evidence == (f"sha256 {digest}",)


def test_a_download_that_nothing_vouches_for(server: Server) -> None:
    row = _of_download(server)
    assert (row.id, row.severity) == ("url.not-verified", "info")
