"""Agreement of a segmentation with its truth: one row per structure and volume, ventricular function per patient.

A volume is one phase of one patient. Volumes in ml and distances count only what is labelled in the truth: where it is
`UNLABELLED`, the prediction is ignored too. A structure that nobody annotated has no score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core.geometry import Grid
from pipeline.core.labels import LV, MYO, RV, STRUCTURES, UNLABELLED, undrawn_values
from pipeline.evaluate.agreement import Agreement, Interval, agreement, bootstrap_interval
from pipeline.evaluate.overlap import known_mean, volume_overlap
from pipeline.evaluate.surface import surface_distances
from pipeline.measure.function import MYOCARDIAL_DENSITY_G_PER_ML, ventricular_function

__all__ = [
    "FUNCTION_UNITS",
    "FunctionPair",
    "VolumeScore",
    "by_patient",
    "function_agreement",
    "mean_dice_by_patient",
    "patient_functions",
    "phase_roles",
    "score_volume",
    "summarise",
]

FUNCTION_UNITS = {
    "lv_edv": "ml",
    "lv_esv": "ml",
    "lv_ef": "%",
    "lv_mass": "g",
    "rv_edv": "ml",
    "rv_esv": "ml",
    "rv_ef": "%",
}
"""Quantities of `patient_functions`, and their units."""


@dataclass(frozen=True)
class VolumeScore:
    """One structure in one volume.

    Attributes:
        patient: the patient's name in the data set.
        volume: which of the patient's volumes, such as "ED".
        structure: name of a structure, see `core.labels.STRUCTURES`.
        dice: 0 to 1. 0 if the structure is only in truth or only in prediction, `None` if it is in neither or was not
            annotated.
        iou: 0 to 1, under the same rules.
        hausdorff_mm: largest distance between the surfaces, or the volume's diagonal if one lacks the structure.
        hd95_mm: 95th percentile of the distances, under the same rule.
        assd_mm: average symmetric surface distance, under the same rule.
        true_ml: volume in the truth, `None` if it was not annotated.
        found_ml: volume in the prediction, under the same rule.
    """

    patient: str
    volume: str
    structure: str
    dice: float | None
    iou: float | None
    hausdorff_mm: float | None
    hd95_mm: float | None
    assd_mm: float | None
    true_ml: float | None
    found_ml: float | None


@dataclass(frozen=True)
class FunctionPair:
    """One quantity of one patient, from the truth's and from the predicted labels at the same two phases."""

    patient: str
    quantity: str
    true: float | None
    found: float | None


def score_volume(
    truth: np.ndarray, prediction: np.ndarray, grid: Grid, *, patient: str, volume: str
) -> list[VolumeScore]:
    """Score one volume.

    Args:
        truth: (X, Y, Z) label map, may hold `UNLABELLED`.
        prediction: (X, Y, Z) label map.
        grid: where the voxels lie.
        patient: the patient's name.
        volume: the volume's name.

    Returns:
        One row per structure, in the order of `STRUCTURES`.

    Raises:
        GridError: shapes differ.
        LabelError: a value that is not a label.
    """
    overlap = volume_overlap(truth, prediction)
    distances = surface_distances(truth, prediction, grid)
    counted, undrawn = truth != UNLABELLED, undrawn_values(truth)
    rows = []
    for s in STRUCTURES:
        far = distances[s.name]
        rows.append(
            VolumeScore(
                patient=patient,
                volume=volume,
                structure=s.name,
                dice=_number(overlap[s.name]["dice"]),
                iou=_number(overlap[s.name]["iou"]),
                hausdorff_mm=far.hausdorff_mm if far else None,
                hd95_mm=far.hd95_mm if far else None,
                assd_mm=far.assd_mm if far else None,
                true_ml=None if s.value in undrawn else _ml(truth == s.value, grid),
                found_ml=None if s.value in undrawn else _ml((prediction == s.value) & counted, grid),
            )
        )
    return rows


def phase_roles(scores: Iterable[VolumeScore]) -> dict[tuple[str, str], str]:
    """Find the volumes of end-diastole and end-systole: the truth's largest and smallest left cavity per patient.

    Returns:
        (patient, volume) -> "ED" or "ES". Volumes between them, and of patients with a single volume, are left out.
    """
    cavities: dict[str, dict[str, float]] = defaultdict(dict)
    for score in scores:
        if score.structure == LV.name and score.true_ml is not None:
            cavities[score.patient][score.volume] = score.true_ml
    roles: dict[tuple[str, str], str] = {}
    for patient, volumes in cavities.items():
        largest, smallest = max(volumes, key=lambda v: volumes[v]), min(volumes, key=lambda v: volumes[v])
        if volumes[largest] > volumes[smallest]:
            roles |= {(patient, largest): "ED", (patient, smallest): "ES"}
    return roles


def patient_functions(scores: Sequence[VolumeScore]) -> list[FunctionPair]:
    """Volumes, ejection fractions and mass of every patient with an ED and an ES volume.

    Truth and prediction are measured at the truth's phases, so the figures reflect only the segmentation.

    Returns:
        Pairs in the order of `FUNCTION_UNITS`. `None` for an EF without a cavity at ED, and for what was not annotated.
    """
    ml: dict[tuple[str, str, str], tuple[float | None, float | None]] = {}
    roles = phase_roles(scores)
    for score in scores:
        role = roles.get((score.patient, score.volume))
        if role:
            ml[score.patient, role, score.structure] = (score.true_ml, score.found_ml)
    pairs = []
    for patient in sorted({patient for patient, _ in roles}):
        true, found = (_function({key: both[side] for key, both in ml.items()}, patient) for side in (0, 1))
        pairs += [FunctionPair(patient, name, true[name], found[name]) for name in FUNCTION_UNITS]
    return pairs


def function_agreement(pairs: Sequence[FunctionPair]) -> dict[str, Agreement]:
    """Bias and limits of agreement of every quantity, predicted minus true, over patients."""
    return {
        name: agreement(
            [pair.true for pair in pairs if pair.quantity == name],
            [pair.found for pair in pairs if pair.quantity == name],
        )
        for name in FUNCTION_UNITS
    }


def by_patient(scores: Iterable[VolumeScore], *, structure: str, key: str = "dice") -> dict[str, list[float]]:
    """Values of one structure, grouped by patient, in the order of the volumes' names. `None` becomes NaN."""
    grouped: dict[str, list[float]] = defaultdict(list)
    for score in sorted(scores, key=lambda score: (score.patient, score.volume)):
        if score.structure == structure:
            value = getattr(score, key)
            grouped[score.patient].append(float("nan") if value is None else float(value))
    return dict(grouped)


def mean_dice_by_patient(scores: Sequence[VolumeScore]) -> dict[str, list[float]]:
    """Mean Dice over the structures of each volume, grouped by patient. Structures in neither are ignored."""
    parts = [by_patient(scores, structure=s.name) for s in STRUCTURES]
    return {
        patient: [known_mean(volume) for volume in zip(*(part[patient] for part in parts), strict=True)]
        for patient in parts[0]
    }


def summarise(scores: Sequence[VolumeScore]) -> list[dict[str, Any]]:
    """Means over volumes by structure and phase, and over the structures.

    Returns:
        Rows with `structure`, `phase` ("all", "ED", "ES"), `n` volumes counted, `dice` and its `interval` (95 %, by
        bootstrap over patients), `dice_median`, `iou`, `hd95_mm` (mean and `hd95_median_mm`), `assd_mm`.
    """
    roles = phase_roles(scores)
    rows = []
    for phase in ("all", "ED", "ES"):
        part = [s for s in scores if phase == "all" or roles.get((s.patient, s.volume)) == phase]
        if not part:
            continue
        for structure in STRUCTURES:
            own = [score for score in part if score.structure == structure.name]
            rows.append(_row(structure.name, phase, by_patient(own, structure=structure.name), own))
        rows.append(_row("mean", phase, mean_dice_by_patient(part), part))
    return rows


def _row(structure: str, phase: str, dice: dict[str, list[float]], scores: Sequence[VolumeScore]) -> dict[str, Any]:
    interval: Interval = bootstrap_interval(dice)
    flat = [value for values in dice.values() for value in values if not np.isnan(value)]
    hd95 = [score.hd95_mm for score in scores if score.hd95_mm is not None]
    return {
        "structure": structure,
        "phase": phase,
        "n": len(flat),
        "dice": interval.mean,
        "interval": [interval.low, interval.high],
        "dice_median": float(np.median(flat)) if flat else None,
        "iou": known_mean([score.iou for score in scores]),
        "hd95_mm": known_mean(hd95),
        "hd95_median_mm": float(np.median(hd95)) if hd95 else None,
        "assd_mm": known_mean([score.assd_mm for score in scores]),
    }


def _function(ml: Mapping[tuple[str, str, str], float | None], patient: str) -> dict[str, float | None]:
    """The quantities of `FUNCTION_UNITS` from the volumes of one side, truth or prediction."""
    mass_ml = ml[patient, "ED", MYO.name]
    values: dict[str, float | None] = {}
    for side, structure in (("lv", LV), ("rv", RV)):
        ed_ml, es_ml = ml[patient, "ED", structure.name], ml[patient, "ES", structure.name]
        ef = None if ed_ml is None or es_ml is None else ventricular_function([ed_ml, es_ml], ed=0, es=1).ef_percent
        values |= {f"{side}_edv": ed_ml, f"{side}_esv": es_ml, f"{side}_ef": ef}
    values["lv_mass"] = None if mass_ml is None else mass_ml * MYOCARDIAL_DENSITY_G_PER_ML
    return values


def _ml(mask: np.ndarray, grid: Grid) -> float:
    return float(mask.sum() * grid.voxel_volume_ml)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
