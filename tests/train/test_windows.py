from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from pipeline.core.labels import UNLABELLED
from pipeline.train.windows import CentreOnHeartd, heart_centre


def _label(x: slice, y: slice) -> torch.Tensor:
    label = torch.zeros(2, 20, 30, 3)
    label[1, x, y, 2] = 1
    return label


def test_centre_is_the_middle_of_all_that_is_labelled() -> None:
    label = _label(slice(4, 8), slice(20, 21))
    label[0, 10, 22, 0] = 3
    assert heart_centre(label) == (7, 21)
    label[0, :, :, 1] = UNLABELLED
    assert heart_centre(label) == (7, 21)


def test_nothing_labelled_gives_the_middle_of_the_image() -> None:
    assert heart_centre(torch.zeros(1, 20, 30, 2)) == (10, 15)


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (40, 50)])
def test_the_heart_lies_in_the_middle_wherever_it_was(size: tuple[int, int]) -> None:
    for corner in ((1, 1), (10, 12), (19, 29)):
        label = torch.zeros(1, 20, 30, 2)
        label[0, corner[0], corner[1], 1] = 2
        image = torch.arange(label.numel(), dtype=torch.float32).reshape(label.shape) + 5
        item = {"image": MetaTensor(image), "label": MetaTensor(label)}
        centre = CentreOnHeartd(["image", "label"], label_key="label", size=size, mode=["minimum", "constant"])
        found = centre(item)
        assert found["image"].shape == found["label"].shape == (1, *size, 2)
        middle = (0, size[0] // 2, size[1] // 2, 1)
        assert found["label"][middle] == 2
        assert found["label"].sum() == 2
        assert found["image"][middle] == image[0, corner[0], corner[1], 1]


def test_the_affine_follows() -> None:
    label = _label(slice(4, 8), slice(20, 24))
    affine = np.diag([2.0, 2.0, 8.0, 1.0])
    item = {"label": MetaTensor(label, affine=torch.from_numpy(affine))}
    found = CentreOnHeartd("label", label_key="label", size=(10, 10), mode=["constant"])(item)["label"]
    np.testing.assert_allclose(found.affine[:3, 3], [2.0 * (6 - 5), 2.0 * (22 - 5), 0.0])


def test_the_padded_image_is_not_kept() -> None:
    item = {
        "image": MetaTensor(torch.rand(1, 20, 30, 2)),
        "label": MetaTensor(_label(slice(4, 8), slice(20, 24))[:1, ..., :2]),
    }
    found = CentreOnHeartd(["image", "label"], label_key="label", size=(8, 6), mode=["minimum", "constant"])(item)
    for key in ("image", "label"):
        assert found[key].untyped_storage().nbytes() == 8 * 6 * 2 * found[key].element_size()
        assert [operation["class"] for operation in found[key].applied_operations] == ["BorderPad", "SpatialCrop"]


def test_a_slice_that_nobody_labelled_stays_so_beyond_the_image() -> None:
    label = torch.zeros(2, 20, 30, 3)
    label[0, 1, 1, 0] = 1
    label[1], label[0, :, :, 2] = UNLABELLED, UNLABELLED
    item = {"image": MetaTensor(torch.ones(2, 20, 30, 3)), "label": MetaTensor(label)}
    centre = CentreOnHeartd(["image", "label"], label_key="label", size=(16, 16), mode=["minimum", "constant"])
    found = centre(item)["label"]
    assert (found[1] == UNLABELLED).all()
    assert (found[0, :, :, 2] == UNLABELLED).all()
    assert not (found[0, :, :, :2] == UNLABELLED).any()


def test_what_may_be_a_structure_is_none_to_centre_on() -> None:
    label = torch.full((1, 20, 30, 2), 137.0)
    label[0, 5, 7, 0] = 1
    assert heart_centre(label) == (5, 7)
