"""The predictions of inspection for every image, compared with the recorded boots."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from pydantic import ValidationError

from harness.model.image import Prediction
from harness.trial.result import Result
from images.gallery.build import build_entry
from images.gallery.entry import load_entry
from images.gallery.runner import HARNESS, PREDICTED, recorded
from images.recipe import RecipeError
from images.steps import say


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """A prediction and a boot of the same image."""

    name: str
    prediction: Prediction
    booted: Result

    @property
    def wrong(self) -> bool:
        """True if the boot refutes the prediction; an inconclusive boot does not."""
        return None not in (self.prediction.will_boot, self.booted.came_up) and (
            self.prediction.will_boot != self.booted.came_up
        )


def calibrate(name: str) -> CalibrationRow:
    """Inspect the image of an entry, and judge its recorded boot.

    Raises RecipeError where it cannot be built or inspected, or was never recorded.
    """
    entry = load_entry(name)
    image = build_entry(name)
    say(f"{name}: inspecting")
    words = [str(HARNESS), "check", str(image), "--json", *entry.options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    try:
        prediction = Result.model_validate_json(done.stdout).prediction
    except ValidationError as error:
        raise RecipeError(f"harness check gave no result: {done.stderr.strip()[-200:]}") from error
    return CalibrationRow(name, prediction, recorded(name))


def calibration_table(rows: list[CalibrationRow]) -> str:
    """Return a Markdown table of ``rows``, and the number of wrong predictions."""
    lines = [
        "| image | predicted | booted | reached | outcome | because |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        why = ", ".join(row.prediction.because) or "; ".join(row.prediction.unknown)
        mark = " **wrong**" if row.wrong else ""
        lines.append(
            f"| {row.name} | {PREDICTED[row.prediction.will_boot]}{mark} "
            f"| {PREDICTED[row.booted.came_up]} | {row.booted.stage} "
            f"| {row.booted.cause or row.booted.outcome} | {why} |"
        )
    wrong = sum(row.wrong for row in rows)
    unknown = sum(row.prediction.will_boot is None for row in rows)
    share = f"{100 * unknown / max(len(rows), 1):.0f} %"
    lines += [
        "",
        f"{len(rows)} images: {wrong} predicted wrongly, {unknown} not predicted ({share}).",
    ]
    return "\n".join(lines)
