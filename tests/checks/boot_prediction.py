"""The prediction of a boot, made here: a child process would cost half a second."""

from __future__ import annotations

from pathlib import Path

from harness.checks.inside import check_inside, predict
from harness.image.container.qcow2 import read_qcow2
from harness.image.container.qcow2_disk import Qcow2Disk
from harness.image.os.disk import read_disk
from harness.image.source import LocalFile
from harness.model.hardware import Firmware
from harness.provider.profile import load_profile


def said(
    image: Path, firmware: Firmware = "bios", provider: str = "contabo"
) -> tuple[bool | None, list[str]]:
    """Return the prediction for a disk and the ids of the findings inside it."""
    profile = load_profile(provider).with_firmware(firmware)
    with LocalFile(image) as source:
        facts = read_disk(Qcow2Disk(source, read_qcow2(source)))
    rows = check_inside(facts, profile)
    return predict(facts, rows, profile).will_boot, [row.id for row in rows]
