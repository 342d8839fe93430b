"""Rows of a report's tables of references, prior study, motion and slices, taken from the measurements.

Nothing is computed here. Values that were not measured are `None`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.core.measurements import Measurements
from pipeline.core.prior import Prior
from pipeline.core.quantities import QUANTITIES, Quantity
from pipeline.core.reference import References
from pipeline.core.wall import Motion
from pipeline.write.pages import bullseye
from pipeline.write.pages.findings import phase_marks
from pipeline.write.pages.motion_charts import motion_panels
from pipeline.write.pages.range_bars import RangeBar, range_bar

__all__ = ["ChangeRow", "ReferenceShown", "comparisons"]

_TOLD_BY = {
    "patient_id": "the same PatientID",
    "pseudonym": "the same pseudonym",
    "user": "the user's word that it is the same patient",
}


@dataclass(frozen=True)
class ReferenceShown:
    """A quantity beside its reference range, in words and as a bar, and which of the sources it is of, from 1."""

    quantity: Quantity
    value: float
    range: str
    z: float | None
    position: str
    ages: str
    source: int
    bar: RangeBar | None


@dataclass(frozen=True)
class ChangeRow:
    """A quantity then and now, and what the change is against repeatability, in words and as a bar."""

    quantity: Quantity
    before: float
    now: float
    change: float
    change_percent: float | None
    limit: float | None
    verdict: str
    bar: RangeBar | None


def comparisons(measured: Measurements) -> dict[str, Any]:
    """What the template `comparisons.html` shows, by its names; `None` for a section that has nothing to show."""
    return {
        "references": None if measured.references is None else _references(measured.references),
        "prior": None if measured.prior is None else _prior(measured.prior),
        "motion": None if measured.motion is None else _motion(measured.motion, measured),
        "slice_rows": measured.slices,
    }


def _references(references: References) -> dict[str, Any]:
    sources = list(dict.fromkeys(row.source for row in references.compared))
    rows = []
    for row in references.compared:
        quantity = QUANTITIES[row.quantity]
        rows.append(
            ReferenceShown(
                quantity=quantity,
                value=row.value,
                range=_span(row.lower, row.upper, quantity.digits),
                z=row.z,
                position=row.position,
                ages=_span(row.age_from, row.age_to, 0),
                source=sources.index(row.source) + 1,
                bar=range_bar(row.value, row.lower, row.upper),
            )
        )
    return {"rows": rows, "sources": sources, "not_compared": references.not_compared}


def _prior(prior: Prior) -> dict[str, Any]:
    verdicts = {None: "not known", True: "beyond", False: "within"}
    rows = [
        ChangeRow(
            quantity=QUANTITIES[change.quantity],
            before=change.before,
            now=change.now,
            change=change.change,
            change_percent=change.change_percent,
            limit=change.limit,
            verdict=verdicts[change.beyond],
            bar=None if change.limit is None else range_bar(change.change, -change.limit, change.limit),
        )
        for change in prior.changes
    ]
    return {
        "case": prior.case,
        "days": prior.interval_days,
        "told_by": _TOLD_BY[prior.same_patient_by],
        "rows": rows,
        "sources": prior.sources,
        "notes": prior.notes,
    }


def _motion(motion: Motion, measured: Measurements) -> dict[str, Any]:
    panels = motion_panels(motion, times_ms=measured.times_ms, marks=phase_marks(measured))
    lines = [line for row in panels for panel in row for line in panel.lines]
    return {
        "strains": [(name, curve) for name, curve in motion.strain_percent.items()],
        "panels": panels,
        "walls": list(dict.fromkeys(line.wall for line in lines)),
        "plots": _peak_plots(motion),
        "segments": motion.segments,
        "notes": motion.notes,
    }


def _peak_plots(motion: Motion) -> list[dict[str, Any]]:
    """Bull's eyes of the peak of each quantity."""
    drawings = (
        ("Peak inward displacement", "displacement_mm", bullseye.DISPLACEMENT, "mm"),
        ("Peak thickening", "thickening_percent", bullseye.THICKENING, "%"),
        ("Peak circumferential strain", "strain_percent", bullseye.STRAIN, "%"),
    )
    plots = []
    for title, key, shades, unit in drawings:
        rows = [{"segment": row.segment, "name": row.name, key: getattr(row, key).peak} for row in motion.segments]
        sectors = bullseye.sectors(rows, key, shades, unit=unit)
        if any(sector.text for sector in sectors):
            plots.append({"title": title, "unit": unit, "shades": shades, "sectors": sectors})
    return plots


def _span(low: float | None, high: float | None, digits: int) -> str:
    if low is None and high is None:
        return "any"
    if low is None:
        return f"up to {high:.{digits}f}"
    return f"from {low:.{digits}f}" if high is None else f"{low:.{digits}f} to {high:.{digits}f}"
