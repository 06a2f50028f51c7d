"""harness says whether a cloud will boot a disk image, before it is uploaded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.session import open_machine as open  # noqa: A004  only ever said as harness.open

    __all__ = ["__version__", "open"]

__version__ = "0.1.0"

# Silent, unless the application configures logging.
logging.getLogger("harness").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Import ``open`` on use: most importers of this package boot nothing."""
    if name != "open":
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    from harness.session import open_machine

    return open_machine
