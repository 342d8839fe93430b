"""MONAI wrapper: the measurements of a case as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform

from pipeline.core.geometry import Grid
from pipeline.core.images import StudyFacts
from pipeline.measure.measurements import measure_cine

__all__ = ["SaveMeasurementsd"]


class SaveMeasurementsd(MapTransform):
    """Writes `<output_dir>/<case>/measurements.json`, see `measurements.measure_cine`.

    Args:
        keys: label maps (T, X, Y, Z) as `MetaTensor`.
        output_dir: folder of the cases' folders.
        case_key: name of the case.
    """

    def __init__(self, keys: KeysCollection, output_dir: str, *, case_key: str = "case") -> None:
        super().__init__(keys)
        self.output_dir = Path(output_dir)
        self.case_key = case_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the measurements; the data pass through unchanged."""
        for key in self.key_iterator(data):
            label: MetaTensor = data[key]
            labels = label.as_tensor().cpu().numpy()
            grid = Grid(labels.shape[1:], label.affine.cpu().numpy())
            times_ms = [float(time) for time in label.meta.get("times_ms", ())]
            measured = measure_cine(labels, grid, times_ms=times_ms or None, facts=_facts(label.meta))
            measured["notes"] = [note for note in str(label.meta.get("notes", "")).split("\n") if note]
            path = self.output_dir / str(data[self.case_key]) / "measurements.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(measured, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return dict(data)


def _facts(meta: Mapping[str, Any]) -> StudyFacts:
    """What the reader put into the metadata; NaN there means that the header is silent."""

    def known(name: str) -> float | None:
        value = float(meta.get(name, math.nan))
        return None if math.isnan(value) else value

    return StudyFacts(heart_rate_bpm=known("heart_rate_bpm"), height_m=known("height_m"), weight_kg=known("weight_kg"))
