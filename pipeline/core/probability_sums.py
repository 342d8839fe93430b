"""What a network's probabilities say of each structure, slice by slice, as sums over pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import GridError

__all__ = ["POSSIBLE", "SURE", "ProbabilitySums"]

SURE, POSSIBLE = 0.8, 0.2
"""Probabilities from which on a pixel surely, or possibly, is of a structure."""


@dataclass(frozen=True, eq=False)
class ProbabilitySums:
    """Sums over the pixels of a slice, each (T, structures, Z) float64, on the network's own grid.

    Whatever is asked of a structure as a whole is a ratio of such sums, so the size of a pixel does not matter.

    Attributes:
        decided: pixels of which the structure is the likeliest class.
        agreed: sum of the structure's probability over those.
        expected: sum of its probability over all pixels.
        sure: pixels with a probability above `SURE`.
        possible: pixels with a probability above `POSSIBLE`.

    Raises:
        GridError: the shapes differ, or have not three axes.
    """

    decided: np.ndarray
    agreed: np.ndarray
    expected: np.ndarray
    sure: np.ndarray
    possible: np.ndarray

    def __post_init__(self) -> None:
        shapes = {one.shape for one in (self.decided, self.agreed, self.expected, self.sure, self.possible)}
        if len(shapes) != 1 or len(self.decided.shape) != 3:
            raise GridError(f"sums of probabilities must all be (T, structures, Z), got {sorted(shapes)}")

    @property
    def expected_dice(self) -> np.ndarray:
        """Dice of each structure's mask against a truth drawn from the probabilities, (T, structures), 0 to 1.

        With m the mask of the likeliest class (0 or 1), y the unknown truth and p = E[y], Dice is
        2 sum(m y) / (sum m + sum y). The ratio of the expectations of numerator and denominator,
        2 sum(m p) / (sum m + sum p), is its first-order estimate, since with many pixels sum y varies little around
        its mean. It is as good as the probabilities are: a network that is certain but wrong expects a Dice of 1. NaN
        where nothing is decided to be the structure.
        """
        decided = self.decided.sum(axis=2)
        with np.errstate(invalid="ignore"):
            dice = 2.0 * self.agreed.sum(axis=2) / (decided + self.expected.sum(axis=2))
        return np.where(decided > 0, dice, np.nan)
