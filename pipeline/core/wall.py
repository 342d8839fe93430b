"""The wall of the left ventricle, its thickness and motion, as values that convert to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Curve", "Motion", "Segment", "SegmentMotion", "Wall"]


@dataclass(frozen=True)
class Segment:
    """Wall thickness of one segment.

    Attributes:
        segment: number, 1 to 17.
        name: as in `measure.wall.aha.SEGMENTS`.
        ed_mm: mean thickness at end-diastole, or `None` if not measured.
        es_mm: mean thickness at end-systole, or `None` if not measured.
        thickening_percent: 100 (ES - ED) / ED, or `None` if either is not measured, or there is no wall at ED.
    """

    segment: int
    name: str
    ed_mm: float | None = None
    es_mm: float | None = None
    thickening_percent: float | None = None


@dataclass(frozen=True)
class Wall:
    """Thickness of all 17 segments in order, and a sentence for everything left out or doubtful."""

    segments: tuple[Segment, ...]
    notes: tuple[str, ...]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Wall:
        """Read back what `measurements.json` holds.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        return cls(tuple(Segment(**segment) for segment in content["segments"]), tuple(content["notes"]))


@dataclass(frozen=True)
class Curve:
    """A quantity at each phase, 0 at end-diastole.

    Attributes:
        values: at each phase, `None` where it was not measured.
        at_es: at end-systole, likewise.
        peak: the value as measured at `peak_phase`; `None` like the rest without a whole beat.
        peak_phase: where the smoothed curve is farthest in the direction of a contraction, 0-based.
        time_to_peak_ms: from end-diastole forward to that phase; `None` also where the beat's length is not known.
    """

    values: tuple[float | None, ...]
    at_es: float | None = None
    peak: float | None = None
    peak_phase: int | None = None
    time_to_peak_ms: float | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Curve:
        """Read back what `measurements.json` holds.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        return cls(**{**content, "values": tuple(content["values"])})


@dataclass(frozen=True)
class SegmentMotion:
    """Motion of one segment.

    Attributes:
        segment: number, 1 to 17.
        name: as in `measure.wall.aha.SEGMENTS`.
        displacement_mm: of the endocardium towards the middle of the ventricle, inward positive.
        thickening_percent: of the wall, 100 (thickness - thickness at ED) / thickness at ED.
        strain_percent: of the arc of the wall's midline, likewise; negative where it shortens.
    """

    segment: int
    name: str
    displacement_mm: Curve
    thickening_percent: Curve
    strain_percent: Curve

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SegmentMotion:
        """Read back what `measurements.json` holds.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        curves = {key: Curve.from_json(content[key]) for key in content if key not in ("segment", "name")}
        return cls(content["segment"], content["name"], **curves)


@dataclass(frozen=True)
class Motion:
    """Motion of the wall, from its contours alone: nothing in it is tracked.

    Attributes:
        segments: all 17 in order.
        strain_percent: circumferential strain of the wall's midline over all slices, "global", and over each third of
            the ventricle, "basal", "mid" and "apical".
        slices: which slices it was measured in, 0-based, from base to apex.
        notes: a sentence for everything left out.
    """

    segments: tuple[SegmentMotion, ...]
    strain_percent: Mapping[str, Curve]
    slices: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Motion:
        """Read back what `measurements.json` holds.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        return cls(
            segments=tuple(SegmentMotion.from_json(segment) for segment in content["segments"]),
            strain_percent={name: Curve.from_json(curve) for name, curve in content["strain_percent"].items()},
            slices=tuple(content["slices"]),
            notes=tuple(content["notes"]),
        )
