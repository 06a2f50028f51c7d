"""Debian's installers on real machines: minutes each without KVM."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from images.build import build
from tests.conftest import Ran
from tests.test_discs import ids, is_whole, observed

Verify = Callable[..., Ran]

pytestmark = [pytest.mark.boot, pytest.mark.nightly]


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_debians_installer_passes_by_its_own_menus(verify: Verify, firmware: str) -> None:
    ran = verify(build("debian-installer-13"), "--firmware", firmware)
    assert ran.brief() == ("pass", "network", None)
    keys = [row["prompt"] for row in observed(ran, "machine", "key")]
    menu = {"bios": "isolinux.menu", "uefi": "grub.menu"}[firmware]
    assert keys[:2] == [menu, "debian-installer.language"]
    assert len(keys) == len(set(keys))
    assert is_whole(ran)


def test_debians_installer_without_the_disks_driver(verify: Verify) -> None:
    """Its packages might have the driver, as far as their names tell."""
    ran = verify(build("debian-installer-13-no-virtio-scsi"), "--no-counterfactual")
    assert ran.brief() == ("inconclusive", "network", None)
    assert "installer.waits" in ids(ran)


def test_an_installation_without_the_disks_driver(verify: Verify) -> None:
    disc = build("debian-installer-13-no-virtio-scsi")
    ran = verify(disc, "--install", "--no-counterfactual")
    assert ran.brief() == ("fail", "network", "installer.disk-unseen")
    cause = next(row for row in ran.result["findings"] if row["id"] == ran.result["cause"])
    assert cause["evidence"]


def test_debians_installer_without_the_nics_driver(verify: Verify) -> None:
    ran = verify(build("debian-installer-13-no-virtio-net"), "--no-counterfactual")
    assert ran.brief() == ("fail", "installer", "network.silent")


def test_debians_installer_that_fetches_its_drivers_proves_nothing(verify: Verify) -> None:
    ran = verify(build("debian-installer-12-netboot"))
    assert ran.brief() == ("inconclusive", "network", None)
    assert "installer.waits" in ids(ran)
