"""MONAI wrapper: the measurements of a case as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform

from pipeline.core.geometry import Grid
from pipeline.core.images import StudyFacts
from pipeline.core.labels import STRUCTURES
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.measure.quality import assess_quality

__all__ = ["SaveMeasurementsd"]


class SaveMeasurementsd(MapTransform):
    """Writes `<output_dir>/<case>/measurements.json`: `measurements.measure_cine`, confidence and quality flags.

    Args:
        keys: label maps (T, X, Y, Z) as `MetaTensor`.
        output_dir: folder of the cases' folders.
        case_key: name of the case.
        confidence_key: expected Dice, (T, structures), as `EstimateConfidenced` leaves it; it may be absent.
        choice: phases given by the user, and the formula of the body surface.
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str,
        *,
        case_key: str = "case",
        confidence_key: str = "confidence",
        choice: PhaseChoice | None = None,
    ) -> None:
        super().__init__(keys)
        self.output_dir = Path(output_dir)
        self.case_key = case_key
        self.confidence_key = confidence_key
        self.choice = choice

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the measurements; the data pass through unchanged."""
        for key in self.key_iterator(data):
            label: MetaTensor = data[key]
            labels = label.as_tensor().cpu().numpy()
            grid = Grid(labels.shape[1:], label.affine.cpu().numpy())
            times_ms = [float(time) for time in label.meta.get("times_ms", ())]
            facts = _facts(label.meta)
            measured = measure_cine(labels, grid, times_ms=times_ms or None, facts=facts, choice=self.choice)
            of_reader = [note for note in str(label.meta.get("notes", "")).split("\n") if note]
            measured["notes"] = [*of_reader, *measured["notes"]]
            confidence = _by_structure(data.get(self.confidence_key))
            measured["confidence"] = confidence
            measured["quality"] = asdict(assess_quality(labels, grid, measured, confidence=confidence))
            path = self.output_dir / str(data[self.case_key]) / "measurements.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(measured, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return dict(data)


def _by_structure(confidence: Any) -> dict[str, list[float | None]] | None:
    """Expected Dice (T, structures) as lists by structure; NaN, where the structure is absent, becomes `None`."""
    if confidence is None:
        return None
    columns = np.asarray(confidence, dtype=float).T.tolist()
    return {
        s.name: [None if math.isnan(value) else round(value, 4) for value in column]
        for s, column in zip(STRUCTURES, columns, strict=True)
    }


def _facts(meta: Mapping[str, Any]) -> StudyFacts:
    """What the reader put into the metadata; NaN there means that the header is silent."""

    def known(name: str) -> float | None:
        value = float(meta.get(name, math.nan))
        return None if math.isnan(value) else value

    return StudyFacts(heart_rate_bpm=known("heart_rate_bpm"), height_m=known("height_m"), weight_kg=known("weight_kg"))
