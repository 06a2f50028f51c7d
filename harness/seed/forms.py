"""The forms of a seed, one row for each.

Each form has a module beside this one. Its function takes the seed, the bus of the provider's seed
drive, and a folder to write into, and returns the delivery of the seed. The name of a form, and
cloud-init's name for it, are in :mod:`harness.model.hardware`.
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
    """Prepare the seed in its form, and write the files that the form needs into ``folder``."""
    return _DELIVERIES[seed.form](seed, bus, folder)
