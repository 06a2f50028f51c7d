import pytest

from harness.screen.bugcheck import Bugcheck, is_blue, read_bugcheck

BLUE_OF_7, BLUE_OF_10, BLACK = "#000080", "#0078d7", "#000000"
NO_BOOT_DEVICE = Bugcheck("0x0000007B", "INACCESSIBLE_BOOT_DEVICE")


@pytest.mark.parametrize(
    ("lines", "background", "expected"),
    [
        (
            ["*** STOP: 0x0000007B (0xF78D2524,0xC0000034,0x00000000,0x00000000)"],
            BLUE_OF_7,
            NO_BOOT_DEVICE,
        ),
        (["eee STOP: OxOO00007B COx00000008, 0x00000002)"], BLUE_OF_7, NO_BOOT_DEVICE),
        (["Stop code: INACCESSIBLE BOOT DEVICE"], BLUE_OF_10, NO_BOOT_DEVICE),
        (["Stop code: INACCESSIBLE_BOOT_DEVICE (0x7B)"], BLACK, NO_BOOT_DEVICE),
        (["Stop code: lNACCESS1BLE B0OT DEVICE"], BLUE_OF_10, NO_BOOT_DEVICE),
        (
            ["If you call a support person, give them this info:", "Stop code: 0x7B"],
            BLACK,
            NO_BOOT_DEVICE,
        ),
        (
            [
                "your PC will restart. If you'd like to know more, you can search online",
                "later for this error: INACCESSIBLE_BOOT_DEVICE",
            ],
            "#1173aa",
            NO_BOOT_DEVICE,
        ),
        (["Es wird neu gestartet. (INACCESSIBLE_BOOT_", "DEVICE)"], BLUE_OF_10, NO_BOOT_DEVICE),
        (
            ["Stillstandcode: UNMOUNTABLE BOOT VOLUME"],
            BLUE_OF_10,
            Bugcheck("0x000000ED", "UNMOUNTABLE_BOOT_VOLUME"),
        ),
        # A digit that OCR took for another; the name decides.
        (
            ["SYSTEM_SERVICE_EXCEPTION", "*** STOP: 0x00000038 (0x1)"],
            BLUE_OF_7,
            Bugcheck("0x0000003B", "SYSTEM_SERVICE_EXCEPTION"),
        ),
        (["*** STOP: 0x000000E1 (0x1)"], BLUE_OF_7, Bugcheck("0x000000E1", "")),
        (
            ["STOP: c000021a", "*** STOP: 0xC000021A (0x1)"],
            BLUE_OF_7,
            Bugcheck("0xC000021A", "WINLOGON_FATAL_ERROR"),
        ),
    ],
)
def test_bug_check_is_read_from_blue_screens(
    lines: list[str], background: str, expected: Bugcheck
) -> None:
    assert read_bugcheck(lines, background) == expected


@pytest.mark.parametrize(
    ("lines", "background"),
    [
        ([], BLUE_OF_7),
        # OCR that is wrong in a way that no code is.
        (["*** STOP: 0x900000D0 (0x00000008)"], BLUE_OF_7),
        (["*** STOP: 0x0000O (0x00000008)"], BLUE_OF_7),
        (["Your PC ran into a problem and needs to restart."], BLUE_OF_10),
        # The boot manager's own screens are no bug checks.
        (["Recovery", "Your PC couldn't start properly", "Error code: 0xc0000225"], BLUE_OF_10),
        (["[!!] Configure the network", "<Go Back>  <Continue>"], "#0000aa"),
        (["INACCESSIBLE_BOOT_DEVICE"], BLACK),
        (["systemd[1]: Failed with result 'stop'. code=0x7B"], BLACK),
    ],
)
def test_other_screens_have_no_bug_check(lines: list[str], background: str) -> None:
    assert read_bugcheck(lines, background) is None


@pytest.mark.parametrize(
    ("colour", "blue"),
    [
        *((blue, True) for blue in ("#000080", "#0000aa", "#0078d7", "#1173aa", "#0a64b4")),
        *((other, False) for other in ("#000000", "#aaaaaa", "#ffffff", "#aa00aa", "", "#xyz")),
    ],
)
def test_is_blue_accepts_only_blue(colour: str, blue: bool) -> None:
    assert is_blue(colour) is blue
