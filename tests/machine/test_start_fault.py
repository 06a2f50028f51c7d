"""Why a QEMU did not start, from its words."""

from __future__ import annotations

import pytest

from harness.machine.start_fault import start_fault


@pytest.mark.parametrize(
    ("stderr", "found"),
    [
        (
            "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
            "host.out-of-memory",
        ),
        (
            'qemu-system-x86_64: -blockdev {}: Failed to get shared "write" lock',
            "host.image-changed",
        ),
        ("qemu-system-x86_64: x: No space left on device", "host.no-space"),
        ("qemu-system-x86_64: x: File too large", "host.no-space"),
        ("qemu-system-x86_64: -device nonsense: not a valid device model", "host.qemu-crashed"),
        (
            "2026-11-25T09:00:00.000000Z qemu-system-x86_64: no room: Cannot allocate memory",
            "host.out-of-memory",
        ),
        ("", "host.qemu-crashed"),
    ],
)
def test_why_qemu_did_not_start(stderr: str, found: str) -> None:
    fault = start_fault(stderr, "exit status 1")
    assert fault.finding_id == found
    assert str(fault).startswith("QEMU did not start: ")
    assert "qemu-system-x86_64: " not in str(fault)
