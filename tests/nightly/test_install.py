"""An installation from a package archive that the tests serve.

Installations from ISOs are entries of images/catalog/recipes.toml.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from harness.installer.families import template_text
from harness.trial.result import EVIDENCE_FILE
from images.build import build
from tests.program import ProgramRun, is_whole

Verify = Callable[..., ProgramRun]

pytestmark = [pytest.mark.boot, pytest.mark.nightly]

# What an archive without a signature needs, and what saves minutes on a host without KVM. The hook
# runs between debootstrap and apt, which wants more than the installer's own answer gives it.
UNSIGNED = r"""
d-i debian-installer/allow_unauthenticated boolean true
d-i base-installer/kernel/image string linux-image-cloud-amd64
d-i preseed/early_command string \
  { \
    echo '#!/bin/sh'; \
    echo 'echo "Acquire::AllowInsecureRepositories true;" > /target/etc/apt/apt.conf.d/unsigned'; \
    echo 'mkdir -p /target/etc/initramfs-tools/conf.d'; \
    echo 'echo COMPRESSLEVEL=1 > /target/etc/initramfs-tools/conf.d/fast'; \
  } > /usr/lib/base-installer.d/10archive; \
  chmod 755 /usr/lib/base-installer.d/10archive
"""


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of ``folder`` on a web server that runs until the block is left."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def fetched_by(evidence: Path) -> set[str]:
    """What the guest got from the archive."""
    rows = (json.loads(line) for line in evidence.read_text().splitlines()[1:])
    gets = (row for row in rows if (row["channel"], row["kind"]) == ("archive", "get"))
    return {row["path"] for row in gets if row["status"] == 200}


def test_debian_installs_from_an_archive(verify: Verify, tmp_path: Path) -> None:
    answers = tmp_path / "preseed.cfg"
    answers.write_text(template_text("debian.preseed.cfg") + UNSIGNED)
    iso = build("debian-installer-13-netboot")
    with served(build("debian-13-archive")) as url:
        ran = verify(iso, "--install", "--archive", url, "--answers", str(answers))
    assert ran.brief() == ("pass", "rebooted", None)
    fetched = fetched_by(ran.run_dir / "installation" / EVIDENCE_FILE)
    for kind in ("bootstrap-base_", "base-files_", "linux-image-cloud-amd64_", "grub-pc_"):
        assert any(f"/{kind}" in path for path in fetched)
    assert is_whole(ran)
