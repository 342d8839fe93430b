"""The first minute: a real heart segmented by shipped weights, its volumes beside those of the experts' contours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.predict import CaseResult, CaseRunner, segment_path
from pipeline.app.segmenter import Segmenter
from pipeline.core.errors import PipelineError
from pipeline.core.labels import LV
from pipeline.core.measurements import Function
from pipeline.core.shipped import SAMPLE
from pipeline.evaluate.overlap import volume_overlap
from pipeline.read.cine import read_cine, read_label
from pipeline.read.datalists.sunnybrook import sunnybrook_cases

__all__ = ["Cavity", "Demonstration", "compare_cavities", "run_demo"]


@dataclass(frozen=True)
class Demonstration:
    """What a demonstration says, and where its report lies."""

    table: str
    report: Path


@dataclass(frozen=True)
class Cavity:
    """The left ventricle's cavity of one phase, in the slices that the experts contoured.

    Attributes:
        n_slices: number of those.
        found_ml: volume of the network's labels there, number of pixels times voxel volume.
        expert_ml: volume within the contours, likewise.
        dice: overlap of the two, 0 to 1.
    """

    n_slices: int
    found_ml: float
    expert_ml: float
    dice: float


def run_demo(out: Path, *, sample: Path = SAMPLE, bundle: str | Path = DEFAULT_BUNDLE) -> Demonstration:
    """Segment the sample study and set its volumes beside those of the experts' contours.

    Args:
        out: folder for everything: the case's folder, as of `cmr segment`, and `experts/`, the contours as label maps.
        sample: a folder in Sunnybrook's layout, of which the first study is taken.
        bundle: name or folder of the bundle.

    Raises:
        PipelineError: the study cannot be used, or the bundle measures no ventricles.
    """
    case = sunnybrook_cases(sample, label_dir=out / "experts")[0]
    (result,) = segment_path(CaseRunner(Segmenter(bundle), out), Path(case["image"]))
    if result.error is not None or result.measurements is None or result.measurements.left is None:
        raise PipelineError(f"{result.name} could not be segmented and measured: {result.error}")
    found = read_cine(result.folder / "segmentation.nii.gz")
    truth = read_label(case["label"], scheme=case["scheme"], drawn_phases=case.get("drawn_phases")).array
    ed, es = (
        compare_cavities(found.array[case[phase]], truth[case[phase]], voxel_ml=found.grid.voxel_volume_ml)
        for phase in ("ed_phase", "es_phase")
    )
    return Demonstration(_table(result, result.measurements.left, ed=ed, es=es), result.folder / "report.html")


def compare_cavities(found: np.ndarray, truth: np.ndarray, *, voxel_ml: float) -> Cavity:
    """Compare the left cavity of one phase where experts drew it.

    Args:
        found: (X, Y, Z) labels of the network.
        truth: (X, Y, Z) labels of the contours, none of them the cavity in slices without one.
        voxel_ml: volume of a voxel.

    >>> truth = np.array([[[1, 255]], [[0, 255]], [[0, 255]]])
    >>> compare_cavities(np.ones_like(truth), truth, voxel_ml=0.5)
    Cavity(n_slices=1, found_ml=1.5, expert_ml=0.5, dice=0.5)
    """
    drawn = (truth == LV.value).any(axis=(0, 1))
    expert, own = ((labels[:, :, drawn] == LV.value).astype(np.uint8) for labels in (truth, found))
    dice = volume_overlap(expert, own, structures=[LV])[LV.name]["dice"]
    return Cavity(int(drawn.sum()), float(own.sum() * voxel_ml), float(expert.sum() * voxel_ml), float(dice))


def _table(result: CaseResult, left: Function, *, ed: Cavity, es: Cavity) -> str:
    rows = [
        ("LV EDV, ml", left.edv_ml, ed.found_ml, ed.expert_ml),
        ("LV ESV, ml", left.esv_ml, es.found_ml, es.expert_ml),
        ("LV EF, %", left.ef_percent, _ef_percent(ed.found_ml, es.found_ml), _ef_percent(ed.expert_ml, es.expert_ml)),
    ]
    judged = result.measurements and result.measurements.quality
    lines = [
        f"{result.name}, a patient of the Sunnybrook Cardiac Data (Radau et al. 2009, CC0). Not for diagnosis.",
        "",
        f"{'':10}  {'all slices':>12}  {'slices that experts drew':>26}",
        f"{'':10}  {'network':>12}  {'network':>12}  {'experts':>12}",
        *("  ".join([f"{name:10}", *map(_cell, values)]) for name, *values in rows),
        f"{'Dice ED':10}  {'':>12}  {ed.dice:12.3f}",
        f"{'Dice ES':10}  {'':>12}  {es.dice:12.3f}",
        "",
        f"Experts drew the cavity in {ed.n_slices} slices at ED and {es.n_slices} at ES, papillary muscles within.",
    ]
    return "\n".join(lines + ([f"quality: {judged.verdict}, the report says why"] if judged else []))


def _cell(value: float | None) -> str:
    return f"{'unknown' if value is None else format(value, '.1f'):>12}"


def _ef_percent(edv_ml: float, esv_ml: float) -> float | None:
    return 100 * (1 - esv_ml / edv_ml) if edv_ml else None
