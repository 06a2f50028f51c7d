"""harness says whether a cloud will boot a disk image, before it is uploaded."""

from importlib.metadata import version

__version__ = version("harness")
