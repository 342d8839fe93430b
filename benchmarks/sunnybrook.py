"""A bundle against Sunnybrook's expert contours: Dice of the left cavity, and volumes, at the contoured phases.

    python benchmarks/sunnybrook.py BUNDLE SUNNYBROOK_FOLDER OUT

Only slices that the expert contoured are compared: Dice over all of them together, volumes as area times distance.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from pipeline.app.predict import CaseRunner, segment_path
from pipeline.app.segmenter import Segmenter
from pipeline.core.labels import LV, UNLABELLED
from pipeline.evaluate.overlap import volume_overlap
from pipeline.read.cine import read_cine, read_label
from pipeline.read.datasets import load_datalist


def main(bundle: str, folder: Path, out: Path) -> None:
    """Segment the studies and print a line for each phase with contours."""
    cases = load_datalist(folder, layout="sunnybrook", label_dir=out / "labels")
    runner = CaseRunner(Segmenter(bundle), out)
    for case in cases:
        (result,) = segment_path(runner, Path(case["image"]))
        if result.error is not None:
            raise SystemExit(f"{result.name}: {result.error}")
        found = read_cine(result.folder / "segmentation.nii.gz")
        truth = read_label(case["label"], scheme=case["scheme"], drawn_phases=case.get("drawn_phases")).array
        for phase in range(truth.shape[0]):
            drawn = (truth[phase] == LV.value).any(axis=(0, 1)) & (truth[phase] != UNLABELLED).any(axis=(0, 1))
            if not drawn.any():
                continue
            true, guess = truth[phase][:, :, drawn], found.array[phase][:, :, drawn]
            # the contours tell the cavity from everything else, nothing more
            true_cavity, found_cavity = ((labels == LV.value).astype(np.uint8) for labels in (true, guess))
            dice = volume_overlap(true_cavity, found_cavity, structures=[LV])[LV.name]["dice"]
            ml = [cavity.sum() * found.grid.voxel_volume_ml for cavity in (found_cavity, true_cavity)]
            print(
                f"{result.name} phase {phase:2d}, {drawn.sum():2d} slices: endocardial Dice {dice:.3f}, "
                f"volume {ml[0]:.1f} ml, contours {ml[1]:.1f} ml ({100 * (ml[0] / ml[1] - 1):+.1f} %)"
            )
        left = result.measurements.left
        print(f"{result.name}: EDV {left.edv_ml:.1f} ml, ESV {left.esv_ml:.1f} ml, EF {left.ef_percent:.1f} %")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
