"""Measured values beside published ones, as values that convert to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Position", "Reference", "References"]

Position = Literal["below", "within", "above"]


@dataclass(frozen=True)
class Reference:
    """A quantity beside the reference values for the subject's sex and age.

    Attributes:
        quantity: its name, see `core.quantities`.
        value: as measured.
        lower: limit of the reference range; `None` where the source states none.
        upper: likewise.
        position: of the value against the limits, which are within.
        mean: of the reference group; `None` where the source states limits alone.
        sd: standard deviation in the reference group, likewise.
        z: (value - mean) / sd, likewise.
        age_from: youngest of the reference group in completed years; `None` where the source states no limit.
        age_to: oldest, likewise.
        source: of the reference values.
    """

    quantity: str
    value: float
    lower: float | None
    upper: float | None
    position: Position
    mean: float | None
    sd: float | None
    z: float | None
    age_from: float | None
    age_to: float | None
    source: str


@dataclass(frozen=True)
class References:
    """All comparisons that can be made, and a sentence for each reason why others cannot."""

    compared: tuple[Reference, ...] = ()
    not_compared: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> References:
        """Read back what `measurements.json` holds.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        return cls(tuple(Reference(**row) for row in content["compared"]), tuple(content["not_compared"]))
