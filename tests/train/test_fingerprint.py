from pathlib import Path

import nibabel
import numpy as np
import pytest

from pipeline.core.errors import DatasetError
from pipeline.core.labels import LV, MYO, RV, UNLABELLED
from pipeline.read.datasets import load_datalist
from pipeline.train.fingerprint import take_fingerprint


def _case(folder: Path, name: str, *, pixel: float, size: int, heart: slice, labelled: bool = True) -> dict:
    affine = np.diag([pixel, pixel, 8.0, 1.0])
    labels = np.zeros((size, size, 3), np.uint8)
    labels[heart, 4:6, :2] = LV.value
    labels[:, :, 2] = UNLABELLED
    image, label = folder / f"{name}.nii.gz", folder / f"{name}_label.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.random.default_rng(0).random(labels.shape).astype(np.float32), affine), image)
    nibabel.save(nibabel.Nifti1Image(labels, affine), label)
    return {"image": str(image), "label": str(label) if labelled else "", "patient": name[0], "scheme": "cmr"}


def test_medians_and_the_largest_heart(tmp_path: Path) -> None:
    cases = [
        _case(tmp_path, "a1", pixel=1.0, size=40, heart=slice(5, 15)),
        _case(tmp_path, "a2", pixel=1.5, size=30, heart=slice(5, 25)),
        _case(tmp_path, "b1", pixel=2.0, size=20, heart=slice(2, 12), labelled=False),
    ]
    found = take_fingerprint(cases)
    assert (found.n_patients, found.n_images, found.n_labelled_slices) == (2, 3, 4)
    assert (found.pixel_mm, found.slice_distance_mm) == pytest.approx((1.5, 8.0))
    assert found.size_pixels == (30, 30)
    assert found.size_mm == pytest.approx((40.0, 40.0))
    assert found.heart_mm == pytest.approx(10 + 0.99 * (30 - 10))
    drawn = 2 * (10 + 20) * 2
    assert found.structure_fraction[LV.name] == pytest.approx(drawn / (2 * (40**2 + 30**2)))
    assert found.structure_fraction[MYO.name] == found.structure_fraction[RV.name] == 0.0


def test_without_labels_there_is_no_heart(tmp_path: Path) -> None:
    found = take_fingerprint([_case(tmp_path, "a", pixel=1.0, size=20, heart=slice(2, 8), labelled=False)])
    assert found.heart_mm is None
    assert found.n_labelled_slices == 0


def test_nothing_has_no_fingerprint() -> None:
    with pytest.raises(DatasetError, match="needs images"):
        take_fingerprint([])


def test_acdc(cmr_data: Path) -> None:
    cases = [case for case in load_datalist(cmr_data / "acdc") if case["patient"] <= "patient005"]
    found = take_fingerprint(cases)
    assert (found.n_patients, found.n_images) == (5, 10)
    assert 1.2 < found.pixel_mm < 1.9
    assert found.slice_distance_mm == pytest.approx(10.0)
    assert found.heart_mm is not None
    assert 80 < found.heart_mm < 200
    assert 0.005 < found.structure_fraction[LV.name] < 0.1
