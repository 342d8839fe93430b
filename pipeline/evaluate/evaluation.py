"""Ignite handler that turns an evaluation into tables and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

import pipeline
from pipeline.core.errors import DatasetError
from pipeline.core.files import write_text
from pipeline.core.geometry import Grid
from pipeline.core.labels import STRUCTURES, UNLABELLED
from pipeline.evaluate.examples import Example, choose_examples, draw_example, take_example
from pipeline.evaluate.scores import (
    FUNCTION_UNITS,
    FunctionPair,
    VolumeScore,
    by_patient,
    function_agreement,
    mean_dice_by_patient,
    patient_functions,
    phase_roles,
    score_volume,
    summarise,
)
from pipeline.write.pages.page import write_page
from pipeline.write.pages.plots import bland_altman_plot, box_plot
from pipeline.write.tables import write_table

__all__ = ["CONVENTIONS", "EvaluationRecord", "write_evaluation"]

CONVENTIONS = (
    "A volume is one phase of one patient. Means are over volumes, intervals by bootstrap over patients.",
    "A structure that is missed, or found where there is none, has Dice 0 and the volume's diagonal as distance. "
    "One absent from truth and prediction is not counted.",
    "HD95 is the larger of the two directed 95th percentiles, ASSD the mean over both surfaces, both in mm by the "
    "affine.",
    "ED and ES are the volumes with the largest and smallest left cavity in the truth. Papillary muscles are cavity.",
    "Mass is myocardial volume at ED times 1.05 g/ml. Limits of agreement are bias ± 1.96 standard deviations.",
)

_N_WORST = 10
_PLOTTED = ("lv_edv", "lv_esv", "lv_ef", "lv_mass", "rv_edv", "rv_ef")


class EvaluationRecord:
    """Scores every volume that an evaluator meets and writes the evaluation when it has finished.

    Expects decollated output with `pred` and `label`, (T, X, Y, Z) label maps, in items that name their `patient` and
    `phase` as datalists do. Phases without a labelled voxel are passed over.

    Args:
        folder: receives what `write_evaluation` writes.
        title: heading of the page, as the bundle's name.
    """

    def __init__(self, folder: str, *, title: str) -> None:
        self.folder = Path(folder)
        self.title = title
        self.scores: list[VolumeScore] = []
        self.examples: dict[tuple[str, str], Example] = {}

    def attach(self, engine: Engine) -> None:
        """Listen to an evaluator."""
        engine.add_event_handler(Events.STARTED, self.reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.update)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def reset(self) -> None:
        """Forget all volumes."""
        self.scores = []
        self.examples = {}

    def update(self, engine: Engine) -> None:
        """Score the volumes of one batch."""
        batch: Any = engine.state.batch
        output: Any = engine.state.output
        for item, result in zip(batch, output, strict=True):
            scores, examples = _score_case(item, result["label"], result["pred"])
            self.scores += scores
            self.examples |= examples

    def write(self) -> None:
        """Write the evaluation."""
        write_evaluation(self.folder, self.scores, title=self.title, examples=self.examples)


def write_evaluation(
    folder: Path,
    scores: Sequence[VolumeScore],
    *,
    title: str,
    examples: Mapping[tuple[str, str], Example] = MappingProxyType({}),
) -> None:
    """Write `volumes.csv`, `patients.csv`, `summary.json` and `evaluation.html`.

    Args:
        folder: output folder.
        scores: rows of every volume.
        title: heading of the page.
        examples: (patient, volume) -> a slice to show. Those of the best, median and worst mean Dice are drawn.

    Raises:
        DatasetError: nothing was scored.
    """
    if not scores:
        raise DatasetError("an evaluation needs labelled volumes, got none", folder)
    pairs = patient_functions(scores)
    summary, agreement = summarise(scores), _agreement_rows(pairs)
    write_table(folder / "volumes.csv", [asdict(score) for score in scores])
    if pairs:
        write_table(folder / "patients.csv", [asdict(pair) for pair in pairs])
    record = {"disclaimer": "Not for diagnosis.", "overlap": summary, "agreement": agreement}
    write_text(folder / "summary.json", json.dumps(_finite(record), indent=2, allow_nan=False) + "\n")
    content = {
        "title": title,
        "n_volumes": len({(s.patient, s.volume) for s in scores}),
        "n_patients": len({s.patient for s in scores}),
        "summary": summary,
        "dice_plot": box_plot(_dice_groups(scores), ylabel="Dice per volume"),
        "agreement": agreement,
        "agreement_plots": _agreement_plots(pairs, agreement),
        "structures": [s.name for s in STRUCTURES],
        "worst": _rank_volumes(scores)[:_N_WORST],
        "examples": _pictures(scores, examples),
        "conventions": CONVENTIONS,
        "software": f"cardiac-mr-pipeline {pipeline.__version__}. Not for diagnosis.",
    }
    write_page(folder / "evaluation.html", "evaluation.html", content)


def _score_case(
    item: Mapping[str, Any], label: Any, prediction: Any
) -> tuple[list[VolumeScore], dict[tuple[str, str], Example]]:
    """Scores of a case's labelled phases, and a slice of each to show."""
    truth, found = np.asarray(label.cpu()).astype(np.int64), np.asarray(prediction.cpu()).astype(np.int64)
    grid = Grid((truth.shape[1], truth.shape[2], truth.shape[3]), np.asarray(label.affine.cpu()))
    name = str(item.get("phase") or "") or Path(str(label.meta.get("filename_or_obj", ""))).name.split(".")[0]
    patient, image = str(item["patient"]), str(item["image"].meta["filename_or_obj"])
    scores: list[VolumeScore] = []
    examples: dict[tuple[str, str], Example] = {}
    for phase in range(len(truth)):
        if (truth[phase] != UNLABELLED).any():
            volume = f"t{phase:02d}" if len(truth) > 1 else name
            scores += score_volume(truth[phase], found[phase], grid, patient=patient, volume=volume)
            examples[patient, volume] = take_example(image, phase, truth[phase], found[phase])
    return scores, examples


def _pictures(scores: Sequence[VolumeScore], examples: Mapping[tuple[str, str], Example]) -> list[dict[str, Any]]:
    means = {(row["patient"], row["volume"]): row["mean"] for row in _rank_volumes(scores)}
    chosen = choose_examples({key: mean for key, mean in means.items() if key in examples})
    return [
        {
            "name": f"{name}: {patient} {volume}, Dice {means[patient, volume]:.3f}, "
            f"slice {examples[patient, volume].slice_index + 1}",
            "png": draw_example(examples[patient, volume]),
        }
        for name, (patient, volume) in chosen.items()
    ]


def _dice_groups(scores: Sequence[VolumeScore]) -> dict[str, list[float]]:
    """Dice of the plot's boxes: a structure at ED and at ES, or at all volumes if no patient has both."""
    roles = phase_roles(scores)
    groups = {}
    for structure in STRUCTURES:
        for phase in ("ED", "ES") if roles else ("",):
            part = [score for score in scores if not phase or roles.get((score.patient, score.volume)) == phase]
            values = by_patient(part, structure=structure.name).values()
            groups[f"{structure.short}\n{phase}".strip()] = [value for volumes in values for value in volumes]
    return groups


def _agreement_rows(pairs: Sequence[FunctionPair]) -> list[dict[str, Any]]:
    if not pairs:
        return []
    return [
        {"quantity": name, "name": _name_quantity(name), "unit": FUNCTION_UNITS[name], **asdict(found)}
        for name, found in function_agreement(pairs).items()
    ]


def _agreement_plots(pairs: Sequence[FunctionPair], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    plots = []
    for row in rows:
        if row["quantity"] not in _PLOTTED or row["lower_limit"] is None:
            continue
        both = [
            (p.true, p.found)
            for p in pairs
            if p.quantity == row["quantity"] and p.true is not None and p.found is not None
        ]
        limits = (row["lower_limit"], row["bias"], row["upper_limit"])
        true, found = zip(*both, strict=True)
        plot = bland_altman_plot(true, found, limits=limits, title=row["name"], unit=row["unit"])
        plots.append({"name": row["name"], "png": plot})
    return plots


def _rank_volumes(scores: Sequence[VolumeScore]) -> list[dict[str, Any]]:
    """The volumes by mean Dice, lowest first."""
    rows: list[dict[str, Any]] = []
    for patient, means in mean_dice_by_patient(scores).items():
        volumes = sorted({score.volume for score in scores if score.patient == patient})
        for volume, mean in zip(volumes, means, strict=True):
            own = {s.structure: s.dice for s in scores if (s.patient, s.volume) == (patient, volume)}
            rows.append({"patient": patient, "volume": volume, "dice": list(own.values()), "mean": mean})
    counted = [row for row in rows if not np.isnan(row["mean"])]
    return sorted(counted, key=lambda row: row["mean"])


def _name_quantity(quantity: str) -> str:
    """`lv_edv` as "LV EDV"; only the mass is no abbreviation."""
    side, what = quantity.split("_")
    return f"{side.upper()} {what if what == 'mass' else what.upper()}"


def _finite(value: Any) -> Any:
    """NaN, which JSON cannot say, as null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
