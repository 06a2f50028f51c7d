"""The request for a trial, and its case once the image has been examined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.machine.backend import Backend
from harness.model.stages import Until

if TYPE_CHECKING:
    from harness.examine.image_report import ImageFacts
    from harness.installer.plan import Installation
    from harness.machine.acceleration import AcceleratorChoice
    from harness.net.checksums import Checksum
    from harness.provider.profile import Profile

Rules = tuple[tuple[str, str], ...]
"""The user's own tables of rules: the location and the TOML text of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationRequest:
    """An unattended installation of an ISO.

    ``own_answers`` is a file of the user in place of the answers of harness, ``archive`` the URL of
    a package archive that the guest may read. Both may be None.
    """

    own_answers: Path | None = None
    archive: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """An image to try at a provider, and the options.

    ``location`` is a path or a link. ``silence_s`` and ``timeout_s`` are None where the clock
    chooses them, ``run_dir`` is None for a new folder in the user's state folder. ``expected`` is
    the checksum of a download, or the link or name of a checksum file. With ``counterfactual``, a
    failure that one change would explain is tried once more with that change.
    """

    location: str
    profile: Profile
    until: Until = "network"
    strict: bool = False
    silence_s: float | None = None
    timeout_s: float | None = None
    run_dir: Path | None = None
    rules: Rules = ()
    counterfactual: bool = True
    backend: Backend = Backend()
    accel: AcceleratorChoice = "auto"
    expected: Checksum | str | None = None
    installation: InstallationRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An image that was examined, and the options of its boot.

    ``run_dir`` is None where nothing is kept, which is only for a case that is not booted. An
    ``installation`` is run to its end, and the disk that it wrote is booted. All other fields are
    those of :class:`TrialRequest`.
    """

    image: ImageFacts
    profile: Profile
    run_dir: Path | None
    until: Until = "network"
    strict: bool = False
    silence_s: float | None = None
    timeout_s: float | None = None
    rules: Rules = ()
    counterfactual: bool = True
    installation: Installation | None = None
    backend: Backend = Backend()

    @property
    def folder(self) -> Path:
        """The run folder; raises ValueError if nothing is to be kept."""
        if self.run_dir is None:
            raise ValueError("a run needs a folder")
        return self.run_dir


def case_of(request: TrialRequest, image: ImageFacts, run_dir: Path | None) -> Case:
    """Return the case of a request whose image was examined, without an installation."""
    return Case(
        image=image,
        profile=request.profile,
        run_dir=run_dir,
        until=request.until,
        strict=request.strict,
        silence_s=request.silence_s,
        timeout_s=request.timeout_s,
        rules=request.rules,
        counterfactual=request.counterfactual,
        backend=request.backend,
    )
