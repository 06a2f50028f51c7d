"""The disk that takes what a guest writes, made by the real qemu-img."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.machine.overlay import create_overlay
from tests.machine.specs import spec


def test_it_has_the_size_of_the_image_and_names_none(tmp_path: Path) -> None:
    asyncio.run(create_overlay(replace(spec(tmp_path), disk_size_bytes=7 << 20)))
    words = ["qemu-img", "info", "--output=json", tmp_path / "overlay.qcow2"]
    info = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert (info["format"], info["virtual-size"]) == ("qcow2", 7 << 20)
    assert "backing-filename" not in info


def test_where_it_cannot_be_made_the_host_has_no_room(tmp_path: Path) -> None:
    elsewhere = replace(spec(tmp_path), overlay=tmp_path / "nowhere" / "overlay.qcow2")
    with pytest.raises(HostError, match=r"The overlay could not be made: .*nowhere") as caught:
        asyncio.run(create_overlay(elsewhere))
    assert caught.value.finding_id == "host.no-space"
