"""A loaded bundle, looked through at real and at scrambled pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.app.segmenter import Segmenter
from pipeline.core.labels import MYO
from pipeline.read.cine import read_cine, read_label


def test_a_heart_is_seen_in_a_heart_and_not_in_its_scrambled_pixels(cmr_data: Path) -> None:
    cine = read_cine(cmr_data / "acdc" / "patient006" / "patient006_frame01.nii.gz")
    scrambled = np.random.default_rng(0).permutation(cine.array.ravel()).reshape(cine.array.shape)
    segmenter = Segmenter("ventricles_mr_segmentation_unet")
    heart, nothing = (segmenter.see_heart(one) for one in (cine, replace(cine, array=scrambled)))
    assert heart > 1000.0  # pixels of 1.25 mm: of each structure tens of ml
    assert heart > 10.0 * nothing >= 10.0


@pytest.mark.parametrize(("network", "dice"), [("deeplabv3", 0.8), ("deeplabv2", 0.75)])
def test_the_studys_shipped_weights_draw_the_ring(cmr_data: Path, network: str, dice: float) -> None:
    """Of a patient whom they have not learnt from; their mean Dice over such volumes is 0.89 and 0.85."""
    folder = cmr_data / "acdc" / "patient009"
    image, label = folder / "patient009_frame01.nii.gz", folder / "patient009_frame01_gt.nii.gz"
    drawn = Segmenter(f"heart_mr_contour_segmentation_{network}").segment(read_cine(image)).labels == MYO.value
    true = read_label(label, scheme="acdc").array == MYO.value
    assert 2 * (drawn & true).sum() / (drawn.sum() + true.sum()) > dice
