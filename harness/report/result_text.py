"""The result of a run on a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.evidence.guest_text import printable
from harness.model.finding import Finding
from harness.model.outcome import Outcome
from harness.model.stages import DISK_LADDER, ISO_LADDER
from harness.report.findings import ShownFinding, by_weight, shown_finding
from harness.trial.result import CONSOLE_LOG, LAST_SCREEN_FILE, Counterfactual, Guest, Result

OUTCOME_STYLES: dict[Outcome, str] = {
    "pass": "bold green",
    "fail": "bold red",
    "inconclusive": "bold yellow",
    "error": "bold magenta",
}
_HEADLINES: dict[Outcome, str] = {
    "pass": "{provider} will boot this image",
    "fail": "{provider} will not run this image",
    "inconclusive": "nothing proves that {provider} will run this image, and nothing the contrary",
    "error": "this host could not try the image; nothing is said about it",
}
_ISO_HEADLINES: dict[Outcome, str] = {
    **_HEADLINES,
    "pass": "{provider} will start this disc, and what it starts finds the disk and the NIC",
    "fail": "nothing will be installed from this disc at {provider}",
    "inconclusive": "nothing proves that {provider} can install from this disc, and nothing the "
    "contrary",
}
_INSTALLED_HEADLINE = "{provider} can install from this disc, and will boot what it installs"
_CONSOLE_HEADLINES: dict[str, str] = {
    "fail": "this console shows why the system did not come up",
    "inconclusive": "this console shows no failure; that the network is reached, no console proves",
}
# Prefixes of ids: container, boot path, system, cloud-init, boot, host.
_TOPICS = (
    "url.",
    "format.",
    "size.",
    "qcow2.",
    "iso.",
    "disk.",
    "firmware.",
    "arch.",
    "windows.",
    "linux.no-kernel",
    "linux.root",
    "linux.virtio",
    "linux.serial",
    "linux.seed",
    "linux.",
    "boot.",
    "installer.",
    "network.",
    "seed.",
    "host.",
    "internal.",
)


def print_result(console: Console, result: Result) -> None:
    """Print ``result`` to ``console``. Everything of the image and the guest is made printable."""
    console.print(render(result))


def render(result: Result) -> RenderableType:
    """Return ``result`` for a terminal: outcome, stages, findings with evidence, facts."""
    headline = _headline(result)
    first = Text.assemble((result.outcome.upper(), OUTCOME_STYLES[result.outcome]), "  ", headline)
    parts: list[RenderableType] = [Text(), first]
    if result.stage:
        parts += [Text(), _ladder(result)]
    if result.counterfactual:
        parts += [Text(), _proof(result.counterfactual)]
    for row in by_weight(sorted(result.findings, key=_topic), result.cause):
        parts += [Text(), _finding(shown_finding(row, cause=result.cause))]
    if result.inside:
        parts += [Text(), _inside(result)]
    parts += [Text(), _facts(result)]
    return Group(*parts)


def _topic(row: Finding) -> int:
    """Return the rank of the topic of a finding, from the container inwards."""
    return next((rank for rank, start in enumerate(_TOPICS) if row.id.startswith(start)), 99)


def _headline(result: Result) -> str:
    provider = result.provider
    if result.tool.backend == CONSOLE_LOG:
        return _CONSOLE_HEADLINES[result.outcome]
    if result.stage is None and result.outcome == "pass":
        warnings = sum(row.severity == "warning" for row in result.findings)
        but = f", with {warnings} warning{'s' * (warnings > 1)}" if warnings else ""
        return f"{provider} takes this image{but}; it was not booted"
    if result.stage is None and str(result.cause).startswith("url."):
        return f"{provider} cannot fetch this image"
    if result.stage is None and result.outcome == "fail":
        return f"{provider} does not take this image"
    if result.stage == "rebooted":
        return _INSTALLED_HEADLINE.format(provider=provider)
    headlines = _ISO_HEADLINES if result.image.format == "iso" else _HEADLINES
    return headlines[result.outcome].format(provider=provider)


def _ladder(result: Result) -> RenderableType:
    """Return the stages in one line, each with its second; those not reached are dim."""
    line = Text()
    ladder = ISO_LADDER if result.image.format == "iso" else DISK_LADDER
    for stage in ladder:
        reached_s = result.timings_s.get(stage)
        if stage != ladder[0]:
            line.append(" \u203a ", "dim")
        if reached_s is not None:
            line.append(stage, "bold" if stage == result.stage else "")
            # No-break: a narrow terminal must not separate a stage from its second.
            line.append(f"\u00a0{reached_s:.1f}s", "cyan")
        else:
            line.append(stage, "dim")
    return Padding(line, (0, 0, 0, 2))


def _finding(row: ShownFinding) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    table.add_column()
    statement = Text(row.statement, "bold" if row.decides else "")
    table.add_row(Text(row.mark, row.colour), Text.assemble(statement, ("  " + row.id, "dim")))
    for line in row.evidence:
        table.add_row("", Text.assemble(("\u2502 ", row.colour), (line, "dim")))
    if row.advice:
        table.add_row("", Text.assemble(("\u2192 ", "green"), row.advice))
    return table


def _proof(second: Counterfactual) -> RenderableType:
    """Return the proof by a second boot, between the headline and the cause."""
    return Padding(
        Text.assemble(("proof  ", "bold"), printable(second.statement, 400)), (0, 0, 0, 2)
    )


def _inside(result: Result) -> RenderableType:
    """Return the inspected parts of the disk, one a line."""
    table = Table.grid(padding=(0, 2))
    for row in result.inside:
        table.add_row(Text(f"  {row.topic}", "dim"), Text(printable(row.statement, 300)))
    return table


def _facts(result: Result) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    tool = result.tool
    machine = f"QEMU {tool.qemu}, {tool.accel}" if tool.qemu else "not booted"
    machine += ", UEFI" if tool.firmware == "uefi" else ""
    machine += ", Secure Boot" * tool.secure_boot + ", TPM" * tool.tpm
    image = result.image
    rows = {"image": f"{printable(image.location)} ({_describe(result)})"}
    if image.final_url not in (None, image.location):
        rows["leads to"] = printable(str(image.final_url))
    if image.content:
        rows["content"] = printable(image.content)
    if result.guest:
        rows["guest"] = printable(_guest(result.guest), 300)
    if expected := _expected(result):
        rows["expected"] = expected
    if tool.backend != CONSOLE_LOG:
        rows["machine"] = f"{result.provider}: {machine}"
        rows["verdict"] = _verdict_time(result)
    if result.run_dir:
        rows["run"] = printable(result.run_dir)
        picture = Path(result.run_dir) / LAST_SCREEN_FILE
        if result.outcome != "pass" and picture.exists():
            rows["screen"] = printable(str(picture))
    for name, value in rows.items():
        # Folded, not cut: a path must be easy to copy.
        table.add_row(Text(f"  {name}", "dim"), Text(value, overflow="fold"))
    return table


def _guest(guest: Guest) -> str:
    """Return the facts about the guest in one line."""
    root = f"root on {guest.root_transport} ({guest.root_device})" if guest.root_transport else ""
    nics = ", ".join(f"{row['name']} by {row['driver']}" for row in guest.nics)
    cloud_init = guest.cloud_init
    ended = f"cloud-init {cloud_init['status']}, {cloud_init['datasource']}"
    return "; ".join(filter(None, (guest.os, f"kernel {guest.kernel}", root, nics, ended)))


def _expected(result: Result) -> str:
    """Return the prediction of the inspection, compared with the boot if there was one."""
    prediction = result.prediction
    if prediction.will_boot is None:
        return f"not known: {printable(prediction.unknown[0], 200)}" if prediction.unknown else ""
    text = "the system comes up"
    if not prediction.will_boot:
        text = f"the system does not come up ({', '.join(prediction.because)})"
    if result.came_up is None:
        return text
    if result.came_up == prediction.will_boot:
        return f"{text}, and so it was"
    seen = "came up" if result.came_up else f"stopped at the stage {result.stage}"
    return f"{text}, which was wrong: it {seen}"


def _verdict_time(result: Result) -> str:
    """Return the time of the verdict; for a check, also the bytes read."""
    if result.stage is not None:
        return f"after {result.timings_s['verdict']:.1f} s"
    read = result.image.bytes_read
    cost = f", {size_text(read)} read" if read is not None else ""
    return f"after {result.timings_s['check']:.2f} s{cost}"


def _describe(result: Result) -> str:
    image = result.image
    size = image.file_size_bytes
    text = f"{image.format}, {size_text(size) if size is not None else 'of unknown size'}"
    if image.virtual_size_bytes is not None:
        text += f", a disk of {size_text(image.virtual_size_bytes)}"
    return text


def size_text(size_bytes: int) -> str:
    """Return ``size_bytes`` in a readable unit; decimal, as providers count."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
