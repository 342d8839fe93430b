"""Demonstration in a few minutes: phantom studies, a short training, held-out studies segmented from DICOM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.app.bundles import find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.predict import CaseResult, CaseRunner, segment_path
from pipeline.app.segmenter import Segmenter
from pipeline.app.training import Training, begin, go_on, has_begun, is_run, run_training
from pipeline.core.errors import PipelineError
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Measurements
from pipeline.evaluate.overlap import volume_overlap
from pipeline.measure.wall.aha import level_of
from pipeline.phantom.dataset import write_dataset
from pipeline.phantom.study import PhantomStudy
from pipeline.read.cine import read_cine
from pipeline.write.pages.overlay import write_overlay

__all__ = ["DEMO_SETTINGS", "compare_with_truth", "run_training_demo"]

DEMO_SETTINGS: Mapping[str, Any] = {
    "network_def#channels": [16, 32, 64, 128],
    "network_def#strides": [2, 2, 2],
    "epochs": 8,
    "val_interval": 8,
    "average_decay": 0.98,
}
"""The demonstration's changes to the default bundle: a smaller network, and a training so short that an average over
more of it would still hold the first, wrong weights."""

HELD_OUT_SEED = 1000


def run_training_demo(
    out: Path, *, n_train: int = 16, n_held_out: int = 2, settings: Mapping[str, Any] | None = None
) -> str:
    """Train on synthetic patients and segment others, whose truth is known, from their DICOM files.

    Repeated, it goes on with its training, and does a finished one not again.

    Args:
        out: folder for everything: data sets, the trained bundle, segmentations, `<case>.png` overlays.
        n_train: synthetic patients to train on.
        n_held_out: synthetic patients kept aside.
        settings: changes of the bundle's configuration (`DEMO_SETTINGS` if not given).

    Returns:
        A table for the terminal: Dice, and volumes and ejection fraction with the analytic truth.

    Raises:
        PipelineError: a held-out study could not be segmented.
    """
    write_dataset(out / "train", n_patients=n_train, layout="nifti", seed=0)
    studies = write_dataset(out / "held_out", n_patients=n_held_out, layout="one_series", seed=HELD_OUT_SEED)
    bundle = out / "bundle"
    training = Training(find_bundle(DEFAULT_BUNDLE), out / "train", DEMO_SETTINGS if settings is None else settings)
    run_training((go_on if is_run(bundle) and has_begun(bundle) else begin)(training, bundle), bundle)
    results = segment_path(CaseRunner(Segmenter(bundle), out / "segmented"), out / "held_out" / "images")
    blocks = [compare_with_truth(result, study, out) for result, study in zip(results, studies, strict=True)]
    return "\n".join(["Synthetic studies, not patients. Not for diagnosis.", *blocks])


def compare_with_truth(result: CaseResult, study: PhantomStudy, out: Path) -> str:
    """Compare a segmented phantom with its truth and draw it.

    Returns:
        Lines for the terminal.

    Raises:
        PipelineError: the case failed.
    """
    if result.error is not None or result.measurements is None:
        raise PipelineError(f"{result.name} could not be segmented: {result.error}")
    labels = read_cine(result.folder / "segmentation.nii.gz").array
    scores = [
        [volume_overlap(true, found)[s.name]["dice"] for s in STRUCTURES]
        for true, found in zip(study.label.array, labels, strict=True)
    ]
    dice = dict(zip(STRUCTURES, np.nanmean(scores, axis=0), strict=True))
    measured, truth = result.measurements, study.truth
    if measured.left is None or measured.right is None or measured.ed_phase is None or measured.es_phase is None:
        raise PipelineError(f"{result.name} has no function: a phantom must be read as a cine")
    ed, es = measured.ed_phase, measured.es_phase
    picture = out / f"{result.name}.png"
    title = f"{result.name}, synthetic"
    write_overlay(picture, np.asarray(study.image.array), labels, phases={"ED": ed, "ES": es}, title=title)
    left, volumes = measured.left, truth.volumes_ml["left_ventricle"]
    rows = [
        ("LV EDV, ml", left.edv_ml, volumes[truth.ed_phase]),
        ("LV ESV, ml", left.esv_ml, volumes[truth.es_phase]),
        ("LV EF, %", left.ef_percent, truth.ef_percent),
        ("RV EF, %", measured.right.ef_percent, truth.right_ef_percent),
        ("LV mass, g", measured.myocardial_mass_g, truth.myocardial_mass_g),
        ("wall ED, mm", _mid_wall_mm(measured, "ed_mm"), _true_mid_wall_mm(truth.wall_mm[0])),
        ("wall ES, mm", _mid_wall_mm(measured, "es_mm"), _true_mid_wall_mm(truth.wall_mm[1])),
    ]
    means = ", ".join(f"{s.short} {value:.3f}" for s, value in dice.items())
    lines = [f"{result.name}: Dice {means}, mean {np.mean(list(dice.values())):.3f}; picture {picture}"]
    lines += [f"  {name:12s}{'measured':>10s}{found:9.1f}{'truth':>8s}{true:9.1f}" for name, found, true in rows]
    return "\n".join(lines)


def _mid_wall_mm(measured: Measurements, key: str) -> float:
    """Mean thickness of the wall over the six segments of the middle third, or NaN if none was measured."""
    segments = () if measured.wall is None else measured.wall.segments[6:12]
    values = [getattr(segment, key) for segment in segments if getattr(segment, key) is not None]
    return float(np.mean(values)) if values else float("nan")


def _true_mid_wall_mm(walls_mm: Sequence[float]) -> float:
    """The same in closed form, over the slices of the middle third."""
    present = [mm for mm in walls_mm if mm > 0]
    return float(np.mean([mm for place, mm in enumerate(present) if level_of(place, len(present)) == 1]))
