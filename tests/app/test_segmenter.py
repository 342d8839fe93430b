"""A loaded bundle, looked through at real and at scrambled pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.app.segmenter import Segmenter
from pipeline.read.cine import read_cine


def test_a_heart_is_seen_in_a_heart_and_not_in_its_scrambled_pixels(cmr_data: Path) -> None:
    cine = read_cine(cmr_data / "acdc" / "patient006" / "patient006_frame01.nii.gz")
    scrambled = np.random.default_rng(0).permutation(cine.array.ravel()).reshape(cine.array.shape)
    segmenter = Segmenter("ventricles_mr_segmentation_unet")
    heart, nothing = (segmenter.see_heart(one) for one in (cine, replace(cine, array=scrambled)))
    assert heart > 1000.0  # pixels of 1.25 mm: of each structure tens of ml
    assert heart > 10.0 * nothing >= 10.0
