"""Events that many tests begin with."""

from __future__ import annotations

from typing import Any

from harness.evidence.events import ImageRecord, RunStart, SeedRecord, ToolRecord
from harness.model.image import Prediction


def run_start(**more: Any) -> RunStart:
    """Return the start of a run at contabo; ``more`` are fields of it."""
    fields: dict[str, Any] = {
        "provider": "contabo",
        "image": ImageRecord("x.qcow2", "qcow2", 1, 1),
        "prediction": Prediction(),
        "inside": (),
        "check_s": 0.0,
        "tool": ToolRecord("0", None, None, "qemu"),
        "seed": SeedRecord(),
        "until": "network",
        "strict": False,
        "firmware": "bios",
        "chipset": "pc",
        "disk_bus": "virtio-scsi",
        "medium": "disk",
    }
    return RunStart(**{**fields, **more})
