"""A run as its observers record it, one second between two events."""

from __future__ import annotations

from typing import Any

from harness.diagnose.counterfactual import Change, settling_change
from harness.diagnose.diagnosis import Diagnosis, diagnose
from harness.evidence import events
from harness.evidence.log import Observation
from tests.evidence.samples import run_start

GUEST, MAC, NONCE = "203.0.113.10", "00:50:56:12:34:56", "0123abcd"


class Script:
    """Observations of a run, one second apart."""

    def __init__(
        self,
        until: str = "network",
        *,
        strict: bool = False,
        firmware: str = "bios",
        seed: dict[str, Any] | None = None,
        **start: Any,
    ) -> None:
        self.rows: list[Observation] = []
        given = events.SeedRecord(
            address=GUEST,
            mac=MAC,
            phone_home_path=f"/{NONCE}/phone-home",
            ready_path=f"/{NONCE}/ready",
            **(seed or {}),
        )
        self.add(run_start(until=until, strict=strict, seed=given, firmware=firmware, **start))

    def add(self, event: events.Event) -> Script:
        self.rows.append(Observation(float(len(self.rows)), event))
        return self

    def serial(self, *lines: str) -> Script:
        for line in lines:
            self.add(events.SerialLine(text=line, offset=len(self.rows)))
        return self

    def firmware(self, *lines: str) -> Script:
        for line in lines:
            self.add(events.FirmwareLine(text=line, offset=0))
        return self

    def frame(self, what: str, source: str = GUEST, mac: str = MAC, target: str = "") -> Script:
        return self.add(events.Frame(what=what, source=source, target=target, mac=mac, number=1))

    def call(self, path: str, **fields: str) -> Script:
        return self.add(events.Call(path=path, fields=fields))

    def quiet(self, reference_s: float) -> Script:
        quiet = {"quiet_s": 2 * reference_s, "reference_s": reference_s, "slowness": 2.0}
        return self.add(events.Quiet(last=False, **quiet))

    def silence(self) -> Script:
        return self.add(events.Quiet(quiet_s=9.0, reference_s=9.0, last=True, slowness=1.0))

    def booted(self) -> Script:
        self.add(events.PowerOn())
        self.firmware("SeaBIOS (version 1.16.2)", "Booting from Hard Disk...")
        return self.firmware("Booting from 0000:7c00")

    def linux(self) -> Script:
        return self.booted().serial(
            "[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian)",
            "[    1.2] Run /init as init process",
            "Begin: Running /scripts/local-bottom ... done.",
            "Welcome to Debian GNU/Linux 12 (bookworm)!",
        )

    def judge(self) -> Diagnosis:
        return diagnose(self.rows)


def outcome(script: Script) -> tuple[Any, ...]:
    verdict = script.judge().verdict
    return (verdict.outcome, verdict.stage, verdict.cause) if verdict else (None,)


def settling(script: Script) -> Change | None:
    diagnosis = script.judge()
    return settling_change(diagnosis.verdict, diagnosis.tracker.start)
