"""harness says whether a cloud will boot a disk image, before it is uploaded."""

__version__ = "0.1.0"
