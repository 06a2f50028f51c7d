"""A program with a bug: one function of harness raises, in every Python that is started."""

from __future__ import annotations

from pathlib import Path

_BUG = """\
import importlib, sys

def _broken(*_, **__):
    raise ZeroDivisionError("a bug that a test put there")

if "harness" in " ".join(sys.orig_argv):
    setattr(importlib.import_module({module!r}), {name!r}, _broken)
"""


def with_bug(folder: Path, module: str, name: str) -> dict[str, str]:
    """Return an environment for a program in which ``name`` of ``module`` raises."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_BUG.format(module=module, name=name))
    return {"PYTHONPATH": str(folder), "XDG_STATE_HOME": str(folder / "state")}
