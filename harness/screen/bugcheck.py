"""The STOP code on a blue screen of Windows.

Three generations print it differently (Microsoft, "Troubleshoot blue screen errors" and "Bug check
code reference"): up to 7 the name alone on a line and ``*** STOP: 0x0000007B (…)``; 8 the name in
brackets; since 10 ``Stop code: INACCESSIBLE BOOT DEVICE``, lately with ``(0x7B)`` behind it. The
sentences around it are in the language of the system, names and codes are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Microsoft, "Bug check code reference": the codes of an image that was made for other hardware, or
# is damaged.
_NAMES = {
    0x0000000A: "IRQL_NOT_LESS_OR_EQUAL",
    0x0000001A: "MEMORY_MANAGEMENT",
    0x0000001E: "KMODE_EXCEPTION_NOT_HANDLED",
    0x00000021: "QUOTA_UNDERFLOW",
    0x00000023: "FAT_FILE_SYSTEM",
    0x00000024: "NTFS_FILE_SYSTEM",
    0x0000003B: "SYSTEM_SERVICE_EXCEPTION",
    0x0000003D: "INTERRUPT_EXCEPTION_NOT_HANDLED",
    0x00000050: "PAGE_FAULT_IN_NONPAGED_AREA",
    0x00000051: "REGISTRY_ERROR",
    0x0000005A: "CRITICAL_SERVICE_FAILED",
    0x0000005C: "HAL_INITIALIZATION_FAILED",
    0x0000005D: "UNSUPPORTED_PROCESSOR",
    0x0000006B: "PROCESS1_INITIALIZATION_FAILED",
    0x00000074: "BAD_SYSTEM_CONFIG_INFO",
    0x00000077: "KERNEL_STACK_INPAGE_ERROR",
    0x00000079: "MISMATCHED_HAL",
    0x0000007A: "KERNEL_DATA_INPAGE_ERROR",
    0x0000007B: "INACCESSIBLE_BOOT_DEVICE",
    0x0000007E: "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
    0x0000007F: "UNEXPECTED_KERNEL_MODE_TRAP",
    0x00000080: "NMI_HARDWARE_FAILURE",
    0x0000008E: "KERNEL_MODE_EXCEPTION_NOT_HANDLED",
    0x0000009F: "DRIVER_POWER_STATE_FAILURE",
    0x000000A5: "ACPI_BIOS_ERROR",
    0x000000C1: "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION",
    0x000000C2: "BAD_POOL_CALLER",
    0x000000C4: "DRIVER_VERIFIER_DETECTED_VIOLATION",
    0x000000C5: "DRIVER_CORRUPTED_EXPOOL",
    0x000000CA: "PNP_DETECTED_FATAL_ERROR",
    0x000000CE: "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS",
    0x000000D0: "DRIVER_CORRUPTED_MMPOOL",
    0x000000D1: "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
    0x000000DA: "SYSTEM_PTE_MISUSE",
    0x000000E3: "RESOURCE_NOT_OWNED",
    0x000000ED: "UNMOUNTABLE_BOOT_VOLUME",
    0x000000EF: "CRITICAL_PROCESS_DIED",
    0x000000F4: "CRITICAL_OBJECT_TERMINATION",
    0x000000FC: "ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY",
    0x00000101: "CLOCK_WATCHDOG_TIMEOUT",
    0x0000010D: "WDF_VIOLATION",
    0x00000124: "WHEA_UNCORRECTABLE_ERROR",
    0x00000133: "DPC_WATCHDOG_VIOLATION",
    0x00000139: "KERNEL_SECURITY_CHECK_FAILURE",
    0x00000154: "UNEXPECTED_STORE_EXCEPTION",
    0x000001C8: "MANUALLY_INITIATED_POWER_BUTTON_HOLD",
    0xC000021A: "WINLOGON_FATAL_ERROR",
    0xC0000221: "STATUS_IMAGE_CHECKSUM_MISMATCH",
}
# All codes of the reference are below this, except the larger ones in the table above.
_END_OF_CODES = 0x200

# Characters that OCR confuses, each mapped to one of its group.
_ALIKE = str.maketrans({"0": "O", "1": "I", "L": "I", "|": "I", "!": "I"})
_DIGITS = str.maketrans({"O": "0", "Q": "0", "I": "1", "L": "1", "|": "1"})

# "*** STOP: 0x0000007B (", as OCR may read it; the text before the word is often lost.
_STOP = re.compile(r"\bSTOP\s*[:;?.]\s*[0OQ]X([0-9A-FOQIL|]{8})(?![0-9A-FOQIL|])", re.IGNORECASE)
# "Stop code: 0x7B", "Stop code: INACCESSIBLE_BOOT_DEVICE (0x7B)".
_SHORT = re.compile(r"\bSTOP\s*CODE\b.*?\b0X([0-9A-FOQIL|]{1,8})\b", re.IGNORECASE)
# English sentences that only such a screen has; in other languages only the colour identifies it.
_SENTENCES = re.compile(
    r"stop code|\*\*\* stop|windows has been shut down|ran into a problem|device needs to restart",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Bugcheck:
    """A bug check: ``code`` as Windows writes it, such as ``0x0000007B``; ``name`` or ""."""

    code: str
    name: str


def read_bugcheck(lines: Sequence[str], background: str) -> Bugcheck | None:
    """Return the bug check on a screen with these lines; None if missing.

    ``background`` is the colour of the screen as ``#rrggbb``. Against OCR mistakes, only codes of
    Windows count, and a printed name has priority over a code.
    """
    if not is_blue(background) and not any(map(_SENTENCES.search, lines)):
        return None
    named = _code_by_name(lines)
    code = named if named is not None else _code_by_number(lines)
    return None if code is None else Bugcheck(f"0x{code:08X}", _NAMES.get(code, ""))


def is_blue(background: str) -> bool:
    """Tell whether ``#rrggbb`` is the blue of any Windows version: mostly blue, hardly red."""
    try:
        red, green, blue = bytes.fromhex(background.removeprefix("#"))
    except ValueError:
        return False
    return blue >= 0x60 and red * 2 < blue and green < blue


def _plain(text: str) -> str:
    """Return ``text`` as one word of capitals, with characters that look alike made equal."""
    return re.sub(r"[^0-9A-Z|!]+", "", text.upper()).translate(_ALIKE)


_BY_PLAIN_NAME = {_plain(name): code for code, name in _NAMES.items()}


def _code_by_name(lines: Sequence[str]) -> int | None:
    """The code whose name is on the screen: a whole line, or after a colon or bracket."""
    for text in _candidates(lines):
        code = _BY_PLAIN_NAME.get(_plain(text))
        if code is not None:
            return code
    return None


def _candidates(lines: Sequence[str]) -> Iterable[str]:
    for number, line in enumerate(lines):
        # A name that does not fit its line continues in the next.
        for text in (line, " ".join(lines[number : number + 2])):
            yield text
            yield re.split(r"[:;(]", text)[-1]
            yield from re.findall(r"[:;(]\s*([^:;()]+)", text)


def _code_by_number(lines: Sequence[str]) -> int | None:
    for pattern in (_STOP, _SHORT):
        for line in lines:
            match = pattern.search(line)
            code = _number(match[1]) if match else None
            if code is not None and (code in _NAMES or 0 < code < _END_OF_CODES):
                return code
    return None


def _number(digits: str) -> int | None:
    try:
        return int(digits.upper().translate(_DIGITS), 16)
    except ValueError:
        return None
