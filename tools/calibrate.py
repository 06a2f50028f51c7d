"""What inspection predicts, beside what the boot came to, over all recipes of the project.

    python tools/calibrate.py

prints a table, and how many predictions were wrong. A system that comes up reaches the stage
userspace. Where nothing is predicted, nothing is wrong; it is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.diagnose.stages import STAGES
from images.build import build

HARNESS = Path(sys.executable).with_name("harness")
CASES = (
    ("debian-12", ""),
    ("alpine-3.23", ""),
    ("alpine-3.23-bare", ""),
    ("tiny", ""),
    ("tiny", "tiny.mode=panic"),
)
_WORDS = {True: "comes up", False: "does not", None: "not known"}


def main() -> None:
    """Print the table."""
    print("| image | predicted | booted | reached | outcome | because |")
    print("|---|---|---|---|---|---|")
    wrong = unknown = 0
    for name, cmdline in CASES:
        image = build(name, cmdline) if cmdline else build(name)
        with tempfile.TemporaryDirectory() as folder:
            words = [HARNESS, "verify", image, "--json", "--run-dir", f"{folder}/run"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        result = json.loads(done.stdout)
        predicted = result["prediction"]["will_boot"]
        came_up = STAGES.index(result["stage"]) >= STAGES.index("userspace")
        wrong += predicted is not None and predicted != came_up
        unknown += predicted is None
        title = f"{name} {cmdline}".strip()
        because = ", ".join(result["prediction"]["because"])
        print(
            f"| {title} | {_WORDS[predicted]} | {_WORDS[came_up]} | {result['stage']} "
            f"| {result['outcome']} | {because} |",
            flush=True,
        )
    print(f"\n{len(CASES)} images: {wrong} predicted wrongly, {unknown} not predicted.")


if __name__ == "__main__":
    main()
