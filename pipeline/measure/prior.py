"""How a heart has changed since an earlier study, beside what a repeated examination of the same heart would show.

The limits are those of repeated breath-hold short-axis examinations read by the same person: the coefficient of
variability, the standard deviation of the difference between two examinations in per cent of their mean, of the
least repeatable group (Grothues et al., Am J Cardiol 90:29, 2002, and Am Heart J 147:218, 2004). 95 % of differences
lie within 1.96 of them. Another scanner, protocol or network adds to that.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

from pipeline.core.labels import LV
from pipeline.core.measurements import Measurements, Papillary
from pipeline.core.prior import Change, Prior, SamePatientBy
from pipeline.core.quantities import quantities

__all__ = ["compare_with_prior", "renew_prior"]

_LIMIT_SDS = 1.96
_COUNTS_PAPILLARY = (LV.name, "myocardial_mass")
"""How the names of quantities begin that papillary muscles count in."""


@dataclass(frozen=True)
class _Repeatability:
    cov_percent: float
    source: str


def compare_with_prior(
    now: Measurements,
    before: Measurements,
    *,
    case: str,
    same_patient_by: SamePatientBy,
    interval_days: int | None = None,
    notes: Sequence[str] = (),
) -> Prior:
    """Compare a study with an earlier one of the same patient.

    Args:
        now: measurements of this study.
        before: measurements of the earlier one.
        case: the earlier one's name.
        same_patient_by: what tells that both are of one patient.
        interval_days: from the earlier to this one, if known.
        notes: what else is to be said of the two.

    Returns:
        Every quantity that both have, but those in which papillary muscles were counted otherwise.
    """
    told = Prior(case, same_patient_by, (), interval_days, notes=(*notes, *_differences(now, before)))
    return _prior(now, quantities(before), told, papillary=before.papillary)


def renew_prior(now: Measurements, prior: Prior, *, papillary: Papillary) -> Prior:
    """The same comparison for a study that was measured again.

    Args:
        now: measurements of this study.
        prior: the comparison as it was.
        papillary: what papillary muscles counted as in it.
    """
    return _prior(now, {change.quantity: change.before for change in prior.changes}, prior, papillary=papillary)


def _prior(now: Measurements, before: Mapping[str, float], prior: Prior, *, papillary: Papillary) -> Prior:
    if now.papillary != papillary:
        before = {name: value for name, value in before.items() if not name.startswith(_COUNTS_PAPILLARY)}
        note = (
            f"left-ventricular volumes and mass are not compared: papillary muscles count as {now.papillary} now and "
            f"counted as {papillary} then"
        )
        prior = replace(prior, notes=(*prior.notes, note))
    changes = tuple(_change(name, before[name], value) for name, value in quantities(now).items() if name in before)
    table = _repeatability()
    sources = dict.fromkeys(table[change.quantity].source for change in changes if change.quantity in table)
    return replace(prior, changes=changes, sources=tuple(sources))


def _change(name: str, before: float, now: float) -> Change:
    change = now - before
    percent = round(100.0 * change / before, 1) if before > 0 else None
    known = _repeatability().get(name)
    limit = None if known is None else _LIMIT_SDS * known.cov_percent / 100.0 * (before + now) / 2.0
    return Change(
        quantity=name,
        before=before,
        now=now,
        change=round(change, 3),
        change_percent=percent,
        limit=None if limit is None else round(limit, 3),
        beyond=None if limit is None else abs(change) > limit,
    )


def _differences(now: Measurements, before: Measurements) -> list[str]:
    """What differs between the studies besides the heart, a sentence each."""
    found = []
    for what, new, old in (
        ("kind of series", now.kind, before.kind),
        ("formula of the body surface", now.bsa_method, before.bsa_method),
        ("sex", now.subject.sex, before.subject.sex),
    ):
        if new and old and new != old:
            found.append(f"the {what} is {new} now and was {old}")
    if now.heart_rate_bpm and before.heart_rate_bpm and _differ(now.heart_rate_bpm, before.heart_rate_bpm):
        found.append(f"the heart rate is {now.heart_rate_bpm:.0f} a minute now and was {before.heart_rate_bpm:.0f}")
    steps_mm = now.spacing_mm[2], before.spacing_mm[2]
    if _differ(*steps_mm):
        found.append(f"slices are {steps_mm[0]:.1f} mm apart now and were {steps_mm[1]:.1f} mm")
    found += [
        f"the quality of the {name} study is {measured.quality.verdict}"
        for name, measured in (("present", now), ("prior", before))
        if measured.quality is not None and measured.quality.verdict != "pass"
    ]
    return found


def _differ(one: float, other: float) -> bool:
    """Whether two values are more than a tenth apart."""
    return abs(one - other) > 0.1 * max(one, other)


@lru_cache(maxsize=1)
def _repeatability() -> Mapping[str, _Repeatability]:
    file = resources.files("pipeline.measure") / "tables" / "repeatability.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return {row["quantity"]: _Repeatability(float(row["cov_percent"]), row["source"]) for row in rows}
