"""MONAI transforms that write a case's files when a bundle is run by MONAI's own commands."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import SaveImaged

from pipeline.app.results import write_labels, write_record
from pipeline.core.errors import ConfigError, PipelineError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine, StudyFacts
from pipeline.core.measurements import Measurements
from pipeline.measure.certainty.calibration import Calibration
from pipeline.measure.measurements import PhaseChoice
from pipeline.measure.study import hear_network, measure_study
from pipeline.read.cine import read_cine, require_stack
from pipeline.read.formats import name_of

__all__ = ["CaseSaveImaged", "SegmentationSaveImaged"]


class CaseSaveImaged(SaveImaged):
    """Writes `<output_dir>/<case>/segmentation.nii.gz`, and `measurements.json` if the bundle measures.

    A MONAI `SaveImaged`, so tools that look for one find one. What `TellPosed` has left under `pose` is noted.

    Args:
        keys: label maps (T, X, Y, Z) as `MetaTensor`, with the metadata that `CineLoadImaged` gives.
        output_dir: folder of the cases' folders.
        measures: whether the labels are ventricles to be measured.
        case_key: name of the case.
        confidence_key: sums of probabilities, from `EstimateConfidenced` (optional).
        calibration: of the bundle, if it has one.
        choice: phases given by the user, and the formula of the body surface.
        kwargs: `SaveImaged`'s other arguments, of no effect here.
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str = "./",
        *,
        measures: bool = True,
        case_key: str = "case",
        confidence_key: str = "confidence",
        calibration: Calibration | None = None,
        choice: PhaseChoice | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(keys, output_dir=output_dir, **kwargs)
        self.output_dir = Path(output_dir)
        self.measures = measures
        self.case_key = case_key
        self.confidence_key = confidence_key
        self.calibration = calibration
        self.choice = choice

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files; the data pass through unchanged.

        Raises:
            LatticeError: an image file with too few slices to be measured, see `read.cine.require_stack`.
        """
        for key in self.key_iterator(data):
            labels = data[key].as_tensor().cpu().numpy()
            cine, name = cine_of(data[key]), case_name(data, data[key], self.case_key)
            folder = self.output_dir / name
            if self.measures and not data[key].meta.get("source_files"):  # of DICOM studies their reader has decided
                require_stack(cine, path=name)
            write_labels(folder, cine, labels)
            if self.measures:
                sums, pose = data.get(self.confidence_key), data.get("pose")
                told = hear_network(cine, labels, sums=sums, pose=pose, calibration=self.calibration)
                measured = measure_study(_with_pixels(cine, data[key]), labels, told=told, choice=self.choice)
                write_record(folder, measured.to_json())
        return dict(data)


class SegmentationSaveImaged(SaveImaged):
    """Writes `<output_dir>/<case>/seg_ed.dcm` and `seg_es.dcm`, `seg.dcm` for a single phase, see `write.dicom.seg`.

    A MONAI `SaveImaged`, so tools that look for one find one. Phases in which nothing is labelled are left out.

    Args:
        keys: label maps (T, X, Y, Z) as `MetaTensor`, on the grid of DICOM images that `CineLoadImaged` read.
        output_dir: folder of the cases' folders. `measurements.json` is there already, and says what ED and ES are.
        bundle_root: the bundle's folder, whose name and version the objects state.
        case_key: name of the case.
        kwargs: `SaveImaged`'s other arguments, of no effect here.
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str = "./",
        *,
        bundle_root: str = ".",
        case_key: str = "case",
        choice: PhaseChoice | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(keys, output_dir=output_dir, **kwargs)
        self.output_dir = Path(output_dir)
        self.bundle_root = Path(bundle_root)
        self.case_key = case_key
        self.choice = choice

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the segmentations. The data pass through unchanged.

        Raises:
            ConfigError: the images are not DICOM.
        """
        for key in self.key_iterator(data):
            label: MetaTensor = data[key]
            name = case_name(data, label, self.case_key)
            files = [file for file in str(label.meta.get("source_files", "")).split("\n") if file]
            if not files:
                raise ConfigError(f"DICOM Segmentations need DICOM images, {name} is of another format")
            cine, labels = read_cine(files), label.as_tensor().cpu().numpy()
            named = _named_phases(measure_study(cine, labels, choice=self.choice))
            phases = {name: phase for name, phase in named.items() if labels[phase].any()}
            self._write(self.output_dir / name, cine, labels, phases)
        return dict(data)

    def _write(self, folder: Path, cine: Cine, labels: np.ndarray, phases: Mapping[str, int]) -> None:
        # its highdicom needs pydicom 3, which MONAI Label cannot have, nor do those need it who write none
        from pipeline.write.dicom.seg import Algorithm, write_segmentations

        metadata = json.loads((self.bundle_root / "configs" / "metadata.json").read_text(encoding="utf-8"))
        algorithm = Algorithm(self.bundle_root.resolve().name, str(metadata["version"]))
        write_segmentations(folder, cine, labels, phases=phases, algorithm=algorithm)


def case_name(data: Mapping[Hashable, Any], label: MetaTensor, key: str = "case") -> str:
    """Name of an item's case: its own, or its image's first file's, where others than this library made the item."""
    if data.get(key):
        return str(data[key])
    source = str(label.meta.get("filename_or_obj") or label.meta.get("source_files") or "case").split("\n")[0]
    return name_of(Path(source)) or "case"


def cine_of(label: MetaTensor) -> Cine:
    """Grid, times, facts and notes of a label map's cine, from its metadata, without the pixels.

    Args:
        label: (T, X, Y, Z), with the metadata that `CineLoadImaged` gives. Missing entries count as unknown.
    """
    x, y, z = label.shape[1:]
    times_ms = tuple(float(time) for time in label.meta.get("times_ms", ()))
    spans_mm = tuple(float(span) for span in label.meta.get("spans_mm", ()))
    notes = tuple(note for note in str(label.meta.get("notes", "")).split("\n") if note)
    numbers = ("heart_rate_bpm", "height_m", "weight_kg", "age_years")
    known: dict[str, Any] = {name: _read_number(label.meta.get(name)) for name in numbers}
    for name in ("ed_phase", "es_phase"):
        phase = _read_number(label.meta.get(name))
        known[name] = None if phase is None else int(phase)
    return Cine(
        np.broadcast_to(np.float32(0), tuple(label.shape)),
        Grid((x, y, z), label.affine.cpu().numpy(), spans_mm or None),
        times_ms=times_ms or None,
        facts=StudyFacts(**known, sex=label.meta.get("sex") or None),
        notes=notes,
        stored_axes=None if label.meta.get("n_axes") is None else int(label.meta["n_axes"]),
        slice_axis=int(label.meta.get("slice_axis", 2)),
    )


def _with_pixels(cine: Cine, label: MetaTensor) -> Cine:
    """The cine with its intensities, read again from its files; as it is where they are not there or were changed."""
    named = str(label.meta.get("source_files") or label.meta.get("filename_or_obj") or "")
    files = [Path(name) for name in named.split("\n") if name]
    if not files:
        return cine
    try:
        read = read_cine(files if len(files) > 1 else files[0])
    except PipelineError:
        return cine
    return replace(cine, array=read.array) if read.array.shape == cine.array.shape else cine


def _read_number(value: Any) -> float | None:
    """A number of the metadata; NaN there means that the header is silent."""
    return None if value is None or math.isnan(float(value)) else float(value)


def _named_phases(measured: Measurements) -> dict[str, int]:
    if measured.ed_phase is None or measured.es_phase is None:
        return {"single": 0}
    return {"ed": measured.ed_phase, "es": measured.es_phase}
