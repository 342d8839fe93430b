"""Prepared stacks, the training samples: one labelled phase each, stored compactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core.errors import ConfigError, GridError
from pipeline.core.labels import UNLABELLED

__all__ = ["PreparedStack", "quantise"]


@dataclass(frozen=True, eq=False)
class PreparedStack:
    """One labelled phase of one patient, resampled and normalised.

    Attributes:
        stored: (Z, X, Y) uint8 or uint16. The intensity is `low + step * stored`.
        low: lowest intensity.
        step: intensity between two stored values, 0 for a stack of one intensity.
        label: (Z, X, Y) uint8, our label values, `UNLABELLED` where nothing was annotated.
        spacing_mm: of X, Y and Z.
        patient: name of the patient.
        phase: "ED", "ES", "t03" ... or "" if a case has one phase without a name.

    Raises:
        GridError: image and label of other shapes, or not three axes.
    """

    stored: np.ndarray
    low: float
    step: float
    label: np.ndarray
    spacing_mm: tuple[float, float, float]
    patient: str = ""
    phase: str = ""

    def __post_init__(self) -> None:
        if self.stored.ndim != 3 or self.stored.shape != self.label.shape:
            raise GridError(
                f"a prepared stack needs image and label (Z, X, Y), got {self.stored.shape} and {self.label.shape}"
            )

    @property
    def image(self) -> np.ndarray:
        """The intensities, (Z, X, Y) float32."""
        return np.float32(self.low) + np.float32(self.step) * self.stored.astype(np.float32)

    @property
    def labelled_slices(self) -> np.ndarray:
        """Indices of the slices in which anything is labelled, background included."""
        return np.flatnonzero((self.label != UNLABELLED).any(axis=(1, 2)))


def quantise(image: np.ndarray, *, bits: int) -> dict[str, Any]:
    """Round intensities to 2^bits equal steps from lowest to highest.

    Args:
        image: real, any shape, not empty.
        bits: 1 to 16 (up to 8 fit in a byte).

    Returns:
        `stored`, `low` and `step` of a `PreparedStack`. No intensity moves by more than half a step.

    Raises:
        ConfigError: another number of bits.
        GridError: NaN or infinity among the values.

    >>> quantised = quantise(np.array([-1.0, 0.0, 2.0]), bits=2)
    >>> quantised["stored"].tolist(), quantised["low"], quantised["step"]
    ([0, 1, 3], -1.0, 1.0)
    """
    if not 1 <= bits <= 16:
        raise ConfigError(f"`bits` of a prepared stack must be from 1 to 16, got {bits}")
    if not np.isfinite(image).all():
        raise GridError("a prepared stack needs finite intensities, got NaN or infinity")
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    step = (high - low) / (2**bits - 1)
    stored = np.rint((values - low) / step) if step > 0 else np.zeros_like(values)
    return {"stored": stored.astype(np.uint8 if bits <= 8 else np.uint16), "low": low, "step": step}
