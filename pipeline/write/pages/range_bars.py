"""A value's place against a range, as the numbers of a small vector drawing."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HEIGHT", "WIDTH", "RangeBar", "range_bar"]

WIDTH, HEIGHT = 120, 16
_LEFT, _RIGHT = 36.0, 84.0
"""Where the limits of the range are drawn. As much as the range has room at either side."""

_EDGE = 4.0
"""Nearest that a value is drawn to the end of the bar, for whatever lies beyond."""


@dataclass(frozen=True)
class RangeBar:
    """A bar with a range marked in it.

    Attributes:
        left: start of the range along x; 0 where it has no lower limit.
        right: its end; `WIDTH` where it has no upper limit.
        x: of the value.
        beyond: -1 or 1 where the value lies further out than can be drawn, else 0.
        outside: whether it lies outside the range.
    """

    left: float
    right: float
    x: float
    beyond: int
    outside: bool


def range_bar(value: float, lower: float | None, upper: float | None) -> RangeBar | None:
    """Place a value against a range.

    Args:
        value: to place.
        lower: limit of the range; `None` where it has none. A range of one limit is as wide as from there to 0.
        upper: likewise.

    Returns:
        The bar, or `None` for a range without any width.

    >>> range_bar(15.0, 10.0, 20.0)
    RangeBar(left=36.0, right=84.0, x=60.0, beyond=0, outside=False)
    >>> range_bar(99.0, 10.0, 20.0)
    RangeBar(left=36.0, right=84.0, x=116.0, beyond=1, outside=True)
    """
    low = 0.0 if lower is None else lower
    high = 2.0 * low if upper is None else upper
    if high <= low:
        return None
    x = _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)
    placed = min(max(x, _EDGE), WIDTH - _EDGE)
    return RangeBar(
        left=0.0 if lower is None else _LEFT,
        right=float(WIDTH) if upper is None else _RIGHT,
        x=round(placed, 1),
        beyond=(x > placed) - (x < placed),
        outside=(lower is not None and value < lower) or (upper is not None and value > upper),
    )
