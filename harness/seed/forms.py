"""The forms of a seed, one row for each.

A form has a module beside this one. Its function takes the seed, the bus that the provider has for
a drive, and a folder to write into, and returns how the seed reaches the guest. The form's name,
and what cloud-init calls it, is in :mod:`harness.model.hardware`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.model.hardware import SeedBus, SeedForm
from harness.seed.config_drive import config_drive
from harness.seed.delivery import SeedDelivery
from harness.seed.nocloud import nocloud_drive
from harness.seed.seed import Seed

_DELIVERIES: dict[SeedForm, Callable[[Seed, SeedBus, Path], SeedDelivery]] = {
    "nocloud": nocloud_drive,
    "configdrive": config_drive,
}


def deliver_seed(seed: Seed, bus: SeedBus, folder: Path) -> SeedDelivery:
    """Prepare the seed in its form; what the form needs as a file is written into ``folder``."""
    return _DELIVERIES[seed.form](seed, bus, folder)
