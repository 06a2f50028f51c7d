"""The vocabulary of images: the medium under test, the prediction of its boot."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Medium = Literal["disk", "iso"]
"""A disk image that is booted, or an ISO that installs to an empty disk."""


class Prediction(BaseModel):
    """The boot that inspection expects.

    ``will_boot`` is None where something is not known; ``unknown`` then names it. ``because`` holds
    the ids of the findings that speak against a boot.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    will_boot: bool | None = None
    because: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class InspectedPart(BaseModel):
    """One line on one part of the system in an image, such as its kernel or its network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str
    statement: str
