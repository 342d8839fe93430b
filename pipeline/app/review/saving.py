"""Saving a decision: result, earlier result and audit trail appear together, in one exchange of the case's folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.app.choices import Choices
from pipeline.app.folders import rewrite
from pipeline.app.history import keep_previous, utc_now
from pipeline.app.recorded import Result
from pipeline.app.results import write_case
from pipeline.app.review.audit import append_entry
from pipeline.app.review.draft import Draft
from pipeline.core.case import Case
from pipeline.core.digests import labels_digest
from pipeline.core.measurements import Measurements

__all__ = ["Edited", "record_discarding", "save_decision"]


class Edited(Protocol):
    """What was edited: the result as it was, and the draft."""

    folder: Path
    result: Result
    base: np.ndarray
    draft: Draft


def save_decision(case: Case, choices: Choices, edited: Edited) -> Case:
    """Write a case with a reader's decision. The draft is gone with it.

    Args:
        case: as drawn and decided.
        choices: as chosen.
        edited: what it was before.

    Returns:
        The case as written.
    """
    before = edited.result.measurements
    entry = {
        **_header(edited, case.review.status, case.review.reader, case.review.time),
        "comment": case.review.comment,
        "checked_phases": list(case.review.checked_phases),
        "labels_sha256": {"before": labels_digest(edited.base), "after": case.review.labels_sha256},
        "before": _numbers(before),
        "after": _numbers(case.measurements),
    }

    def fill(new: Path) -> Case:
        keep_previous(edited.folder, new)
        append_entry(edited.folder, new, entry)
        return write_case(new, case, choices)

    return rewrite(edited.folder, fill)


def record_discarding(edited: Edited, reader: str) -> None:
    """Tell in the audit trail that a draft was dropped; what it had changed is stated, and lost."""
    append_entry(edited.folder, edited.folder, _header(edited, "discarded", reader, utc_now()))


def _header(edited: Edited, what: str, reader: str | None, time: str | None) -> dict[str, Any]:
    """Who did what and when, and what changed by that."""
    changed = edited.base != edited.draft.labels
    steps = edited.draft.done
    return {
        "time": time,
        "reader": reader,
        "what": what,
        "phases": np.flatnonzero(changed.any(axis=(1, 2, 3))).tolist(),
        "slices": np.flatnonzero(changed.any(axis=(0, 1, 2))).tolist(),
        "voxels_changed": int(changed.sum()),
        "tools": dict(Counter(step.tool for step in steps)),
        "drawn_by": sorted({step.reader for step in steps}),
        "choices": asdict(edited.draft.decisions),
    }


def _numbers(measured: Measurements) -> dict[str, Any]:
    """The main numbers; those of a single phase are its volumes."""
    left, right = measured.left, measured.right
    if left is None or right is None:
        return {f"{name}_ml": volumes[0] for name, volumes in measured.volumes_ml.items()}
    return {
        "edv_ml": left.edv_ml,
        "esv_ml": left.esv_ml,
        "ef_percent": left.ef_percent,
        "rv_edv_ml": right.edv_ml,
        "rv_esv_ml": right.esv_ml,
        "rv_ef_percent": right.ef_percent,
        "mass_g": measured.myocardial_mass_g,
        "ed_phase": measured.ed_phase,
        "es_phase": measured.es_phase,
    }
