"""What each slice of a stack shows at end-diastole and end-systole, as values that convert to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["SliceAreas", "SliceRow"]


@dataclass(frozen=True)
class SliceAreas:
    """A slice at one phase.

    Attributes:
        left_ventricle_cm2: area of the left cavity.
        myocardium_cm2: area of the wall.
        right_ventricle_cm2: area of the right cavity.
        thickness_mm: mean thickness of the wall, `None` where it is not closed around the cavity.
    """

    left_ventricle_cm2: float
    myocardium_cm2: float
    right_ventricle_cm2: float
    thickness_mm: float | None = None


@dataclass(frozen=True)
class SliceRow:
    """A slice.

    Attributes:
        slice: 0-based.
        level: third of the left ventricle, "basal", "mid" or "apical"; `None` outside it, or where thirds are unknown.
        span_mm: length of the stack that its areas count with in the volumes.
        ed: at end-diastole.
        es: at end-systole.
        in_volumes: whether anything is labelled here at either, and so counts.
        in_motion: whether the motion of the wall was measured here.
    """

    slice: int
    level: str | None
    span_mm: float
    ed: SliceAreas
    es: SliceAreas
    in_volumes: bool
    in_motion: bool

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SliceRow:
        """Read back what `measurements.json` holds.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        return cls(**{**content, "ed": SliceAreas(**content["ed"]), "es": SliceAreas(**content["es"])})
