"""The worklist: one page for a folder of studies, those that need a look on top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.labels import LV, RV
from pipeline.core.measurements import Measurements
from pipeline.write.pages import findings
from pipeline.write.pages.page import write_page

__all__ = ["REVIEWS", "Study", "worst_first", "write_worklist"]

_ORDER = ("not processed", "fail", "review", "not assessed", "pass")
REVIEWS = ("unreviewed", "corrected", "accepted", "rejected")
_REASONS = 2
"""Number of flags shown as text. The others are in the report."""


@dataclass(frozen=True)
class Study:
    """A study on the list.

    Attributes:
        case: its name.
        report: address of its report, relative to the list, or `None` if there is none.
        measured: its measurements, or `None` if it could not be processed.
        error: the sentence that says why it could not at the last attempt, or `None` if it could.
        review: what a reader has decided, one of `REVIEWS`.
        thumbnail: address of a small picture, relative to the list, or `None` if there is none.
    """

    case: str
    report: str | None = None
    measured: Measurements | None = None
    error: str | None = None
    review: str = "unreviewed"
    thumbnail: str | None = None

    @property
    def verdict(self) -> str:
        """Verdict of its quality, or "not processed" without measurements, or with those of an earlier attempt."""
        return "not processed" if self.measured is None or self.error else findings.verdict(self.measured)

    @property
    def flags(self) -> list[findings.FlagRow]:
        """Quality flags that the verdict rests on, gravest first; what is only worth knowing is in the report."""
        found = [] if self.measured is None else findings.flags(self.measured)
        return [flag for flag in found if flag.severity != "note"]

    @property
    def lowest_confidence(self) -> float | None:
        """Lowest expected Dice of any structure in any phase, or `None` if it was not estimated."""
        rows = [] if self.measured is None else findings.confidences(self.measured)
        return min((row.lowest for row in rows if row.lowest is not None), default=None)


def worst_first(studies: Iterable[Study]) -> list[Study]:
    """Order studies by how much they need a look.

    Those not processed come first, then fail, review, not assessed, pass. Among equals those of lower expected Dice,
    which tells more than the number of flags does, then those with more flags, then by name.

    >>> from dataclasses import replace
    >>> from pipeline.core.measurements import Quality
    >>> nothing = Measurements("single_phase", 1, 3, (1.0, 1.0, 8.0), {})
    >>> ok, poor = (replace(nothing, quality=Quality(verdict)) for verdict in ("pass", "fail"))
    >>> studies = Study("a", measured=ok), Study("b", error="no"), Study("c", measured=poor)
    >>> [study.case for study in worst_first(studies)]
    ['b', 'c', 'a']
    """

    def rank(study: Study) -> tuple[int, float, int, str]:
        confidence = study.lowest_confidence
        return _ORDER.index(study.verdict), 1.0 if confidence is None else confidence, -len(study.flags), study.case

    return sorted(studies, key=rank)


def write_worklist(path: Path, studies: Iterable[Study]) -> Path:
    """Write the list as one HTML file that needs no network, and no other file but the studies' small pictures.

    It can be searched, filtered and sorted, and its reports lead to the studies before and after in the order shown.

    Args:
        path: HTML to write, as index.html above the studies' folders. Parent folders are created.
        studies: in any order. Without any the list says so.

    Returns:
        `path`.
    """
    ordered = worst_first(studies)
    verdicts, reviews = Counter(study.verdict for study in ordered), Counter(study.review for study in ordered)
    content = {
        "n_studies": len(ordered),
        "counts": [(verdict, verdicts[verdict]) for verdict in _ORDER if verdicts[verdict]],
        "reviews": [(status, reviews[status]) for status in REVIEWS if reviews[status]],
        "rows": [_row(study, place) for place, study in enumerate(ordered)],
    }
    return write_page(path, "worklist.html", content)


def _row(study: Study, place: int) -> dict[str, Any]:
    """Row of a study for the template. `place` is its rank, by which the verdict's column sorts."""
    measured, flags = study.measured, study.flags
    sides = [None if measured is None else measured.function(side.name) for side in (LV, RV)]
    return {
        "case": study.case,
        "report": study.report,
        "thumbnail": study.thumbnail,
        "review": study.review,
        "review_place": REVIEWS.index(study.review),
        "verdict": study.verdict,
        "place": place,
        "is_measured": measured is not None,
        "numbers": [getattr(side, key, None) for side in sides for key in ("edv_ml", "esv_ml", "ef_percent")],
        "mass_g": None if measured is None else measured.myocardial_mass_g,
        "confidence": study.lowest_confidence,
        "n_flags": None if study.measured is None or study.verdict == "not assessed" else len(flags),
        "reasons": [flag.message for flag in flags[:_REASONS]],
        "n_more": max(0, len(flags) - _REASONS),
        "error": study.error,
    }
