"""The boots of a case: the first one, those of an installation, and one with a change."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from harness.diagnose.change import Change
from harness.diagnose.counterfactual import settling_change
from harness.errors import FaultError
from harness.evidence import events
from harness.examine.image_report import examine
from harness.host.scratch import scratch_folder
from harness.installer.plan import Installation, InstallationMedia, prepare_installation
from harness.machine.acceleration import Acceleration
from harness.model.stages import STAGES, Stage
from harness.seed.guest_network import GuestNetwork
from harness.seed.seed import new_mac, new_seed
from harness.trial.boot import BootVariant, boot_once
from harness.trial.recorder import Listener, Recorder, open_log
from harness.trial.request import Case
from harness.trial.result import Result

_log = logging.getLogger(__name__)


async def boot_case(case: Case, acceleration: Acceleration, listener: Listener) -> Result:
    """Boot the image until there is a verdict; return the result, and write it to the run folder.

    If one change would settle the cause of a failure, the image is booted once more with it, into
    the folder ``counterfactual`` of the run; the verdict does not wait for it. An installation goes
    into the folder ``installation``, and the first boot of the installed system into ``installed``.
    A fault of the host becomes a result of outcome ``error``. SIGINT, SIGTERM and SIGHUP end the
    run with what is known by then. All that was started or created outside ``case.folder`` is gone
    at the end.
    """
    mac = new_mac(case.profile.machine.mac_prefix.value)
    with open_log(case.folder) as log:
        recorder = Recorder(log, listener)
        boots = _FurtherBoots(case, acceleration, recorder, mac, listener)
        if case.installation:
            await boots.boot_and_install(case.installation)
        else:
            await boot_once(case, acceleration, recorder, BootVariant(mac=mac))
        tracker, verdict = recorder.diagnosis.tracker, recorder.diagnosis.verdict
        change = settling_change(verdict, tracker.start) if case.counterfactual else None
        if change:
            await boots.boot_changed(change)
        return recorder.write_result(case.folder)


@dataclass(frozen=True, slots=True)
class _FurtherBoots:
    """The further boots of a case; each has its own record and the same listener.

    ``mac`` is that of its NIC in all of them: an installed system may depend on it.
    """

    case: Case
    acceleration: Acceleration
    recorder: Recorder
    mac: str
    listener: Listener

    async def boot_and_install(self, installation: Installation) -> None:
        """Boot the ISO up to its installer; then install, and boot the installed system."""
        case = self.case
        with scratch_folder() as scratch:
            seed = new_seed(self.mac, GuestNetwork())
            firmware = case.profile.machine.firmware.value
            prepared = await asyncio.to_thread(
                prepare_installation, installation, case.image.file, seed, firmware, scratch
            )
            first = BootVariant(mac=self.mac, stop_at="installer")
            await boot_once(case, self.acceleration, self.recorder, first)
            if not self.recorder.decided.is_set():
                await self._install(installation, prepared)
            if not self.recorder.decided.is_set():
                await self._boot_installed(prepared.target)

    async def _install(self, installation: Installation, prepared: InstallationMedia) -> None:
        variant = BootVariant(
            mac=self.mac,
            name=f"installing, with answers for {installation.family.name}",
            prepared=prepared,
            answers_prompts=prepared.direct is None,
        )
        folder = self.case.folder / "installation"
        case = replace(self.case, until="installed", strict=False, run_dir=folder)
        await self._boot_part(case, variant, "installed")

    async def _boot_installed(self, target: Path) -> None:
        try:
            image = await asyncio.to_thread(examine, str(target), self.case.profile)
        except FaultError as error:
            self.recorder.fault(error.finding_id, str(error))
            return
        case = replace(
            self.case,
            image=replace(image, location="the installed disk"),
            until="network",
            installation=None,
            run_dir=self.case.folder / "installed",
        )
        variant = BootVariant(mac=self.mac, name="booting what was installed")
        await self._boot_part(case, variant, "rebooted")

    async def _boot_part(self, case: Case, variant: BootVariant, reaches: Stage) -> None:
        """Boot one part of an installation; record its result in the case's own record."""
        log = self.recorder.log
        _log.info("boot: %s", variant.name)
        log.record(events.PartStart(variant.name))
        started_s = log.now_s()
        result = await self._boot_with_own_record(case, variant)
        timings_s = result.timings_s
        log.record(
            events.PartResult(
                name=variant.name,
                reaches=reaches,
                outcome=result.outcome,
                cause=result.cause,
                findings=result.findings,
                stages_s={name: timings_s[name] for name in STAGES if name in timings_s},
                started_s=started_s,
            )
        )

    async def boot_changed(self, change: Change) -> None:
        """Boot a fresh overlay of the image with ``change``; record the result."""
        case, log = self.case, self.recorder.log
        _log.info("boot once more, with %s", change.name)
        log.record(events.SecondBootStart(change.name))
        profile = case.profile.with_firmware(change.firmware)
        if change.without_secure_boot:
            profile = profile.without_secure_boot()
        second = replace(
            case,
            run_dir=case.folder / "counterfactual",
            # For an ISO, the stage network shows all that a change of its machine can settle.
            until=change.until if case.image.medium == "disk" else "network",
            # The question is whether the machine gets further, not whether the image has no fault.
            strict=False,
            profile=profile,
        )
        result = await self._boot_with_own_record(second, BootVariant(mac=self.mac, change=change))
        log.record(
            events.SecondBootResult(
                change=change.name,
                outcome=result.outcome,
                stage=result.stage,
                cause=result.cause,
                statement=change.verdict(result.outcome, result.stage, case.image.medium),
            )
        )

    async def _boot_with_own_record(self, case: Case, variant: BootVariant) -> Result:
        """Return the result of a boot with its own record in the folder of ``case``."""
        with open_log(case.folder) as log:
            recorder = Recorder(log, self.listener)
            await boot_once(case, self.acceleration, recorder, variant)
            return recorder.write_result(case.folder)
