"""The judge's input: observations of a run, as the observers write them."""

from typing import Any

from harness.diagnose.diagnosis import Diagnosis, diagnose
from harness.evidence.log import Observation

GUEST, MAC, NONCE = "203.0.113.10", "00:50:56:12:34:56", "0123abcd"


class Script:
    """Observations of a run, one second apart."""

    def __init__(
        self,
        until: str = "network",
        *,
        strict: bool = False,
        firmware: str = "bios",
        **more_seed: Any,
    ) -> None:
        self.rows: list[Observation] = []
        seed = {
            **more_seed,
            "address": GUEST,
            "mac": MAC,
            "phone_home_path": f"/{NONCE}/phone-home",
            "ready_path": f"/{NONCE}/ready",
        }
        self.add("run", "start", until=until, strict=strict, seed=seed, firmware=firmware)

    def add(self, channel: str, kind: str, **data: Any) -> "Script":
        self.rows.append(Observation(float(len(self.rows)), channel, kind, data))
        return self

    def serial(self, *lines: str) -> "Script":
        for line in lines:
            self.add("serial", "line", text=line, offset=len(self.rows))
        return self

    def firmware(self, *lines: str) -> "Script":
        for line in lines:
            self.add("firmware", "line", text=line, offset=0)
        return self

    def frame(self, what: str, source: str = GUEST, mac: str = MAC, target: str = "") -> "Script":
        return self.add(
            "network", "frame", what=what, source=source, target=target, mac=mac, number=1
        )

    def call(self, path: str, **fields: str) -> "Script":
        return self.add("receiver", "call", path=path, fields=fields)

    def quiet(self, reference_s: float) -> "Script":
        quiet = {"quiet_s": 2 * reference_s, "reference_s": reference_s, "slowness": 2.0}
        return self.add("clock", "quiet", last=False, **quiet)

    def silence(self) -> "Script":
        return self.add("clock", "quiet", quiet_s=9.0, reference_s=9.0, last=True, slowness=1.0)

    def booted(self) -> "Script":
        self.add("machine", "power-on")
        self.firmware("SeaBIOS (version 1.16.2)", "Booting from Hard Disk...")
        return self.firmware("Booting from 0000:7c00")

    def linux(self) -> "Script":
        return self.booted().serial(
            "[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian)",
            "[    1.2] Run /init as init process",
            "Begin: Running /scripts/local-bottom ... done.",
            "Welcome to Debian GNU/Linux 12 (bookworm)!",
        )

    def judge(self) -> Diagnosis:
        return diagnose(self.rows)


def said(script: Script) -> tuple[Any, ...]:
    verdict = script.judge().verdict
    return (verdict.outcome, verdict.stage, verdict.cause) if verdict else (None,)
