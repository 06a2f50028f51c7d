from pathlib import Path
from typing import get_args

import pytest

from harness.model.hardware import SEED_FORMS, SeedForm
from harness.seed.delivery import SeedDrive
from harness.seed.forms import deliver_seed
from harness.seed.guest_network import GuestNetwork
from harness.seed.seed import new_seed


@pytest.mark.parametrize("form", get_args(SeedForm))
def test_every_form_reaches_the_guest_as_its_traits_say(form: SeedForm, tmp_path: Path) -> None:
    seed = new_seed("00:50:56:00:00:01", GuestNetwork(), form=form)
    delivery = deliver_seed(seed, "virtio-blk", tmp_path)
    assert isinstance(delivery, SeedDrive) == SEED_FORMS[form].on_drive
    if isinstance(delivery, SeedDrive):
        assert delivery.bus == "virtio-blk"
        assert delivery.image.parent == tmp_path
        assert delivery.image.exists()
