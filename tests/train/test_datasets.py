"""Slices and stacks in the memory of the training device, and batches of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.core.errors import ConfigError, DatasetError
from pipeline.core.labels import UNLABELLED
from pipeline.train.datasets import Batches, SliceDataset, StackDataset, VolumeDataset


def volume(n_phases: int, n_slices: int) -> dict[str, torch.Tensor]:
    """Every pixel of slice z has the value z, in the image and in the label."""
    slices = torch.arange(n_slices).view(1, 1, 1, -1).expand(n_phases, 5, 4, n_slices)
    return {"image": slices.float(), "label": slices.clone()}


def make(kind: type, volumes: list[dict[str, torch.Tensor]], **settings: Any) -> Any:
    return kind([{"index": index} for index in range(len(volumes))], lambda item: volumes[item["index"]], **settings)


def test_slices_of_all_phases_without_the_unlabelled() -> None:
    one = volume(2, 3)
    one["label"][1, :, :, 1] = UNLABELLED
    dataset = make(SliceDataset, [one, volume(1, 2)])
    assert len(dataset) == 3 + 2 + 2
    batch = dataset.batch(torch.tensor([4, 0, 6]))
    assert batch["image"].shape == batch["label"].shape == (3, 1, 5, 4)
    assert (batch["image"].dtype, batch["label"].dtype) == (torch.float32, torch.uint8)
    assert batch["image"][:, 0, 0, 0].tolist() == batch["label"][:, 0, 0, 0].tolist() == [2, 0, 1]


def test_neighbours_come_as_channels_and_stay_within_their_phase() -> None:
    dataset = make(SliceDataset, [volume(2, 3), volume(1, 2)], context=1)
    images = dataset.batch(torch.arange(8))["image"][:, :, 0, 0]
    expected = [[0, 0, 1], [0, 1, 2], [1, 2, 2]] * 2 + [[0, 0, 1], [0, 1, 1]]
    np.testing.assert_allclose(images, expected, atol=1e-4)


def test_intensities_are_kept_to_a_ten_thousandth_of_their_range() -> None:
    torch.manual_seed(0)
    one = {"image": torch.randn(1, 6, 5, 3), "label": torch.zeros(1, 6, 5, 3)}
    image = make(SliceDataset, [one])[2]["image"]
    span = one["image"].max() - one["image"].min()
    torch.testing.assert_close(image[0], one["image"][0, :, :, 2], atol=float(span) / 2**16, rtol=0)


def test_nothing_labelled_and_slices_of_several_sizes_are_refused() -> None:
    one = volume(1, 3)
    one["label"][:] = UNLABELLED
    for kind in (SliceDataset, StackDataset):
        with pytest.raises(DatasetError, match="labelled slices"):
            make(kind, [one])
    with pytest.raises(DatasetError, match="labelled phases"):
        make(VolumeDataset, [one])
    other = {key: value[:, :3] for key, value in volume(1, 3).items()}
    with pytest.raises(DatasetError, match="one size"):
        make(SliceDataset, [volume(1, 3), other])


def test_stacks_begin_anywhere_and_their_labels_follow() -> None:
    torch.manual_seed(0)
    dataset = make(StackDataset, [volume(2, 6), volume(1, 7)], depth=4)
    assert len(dataset) == 3
    begun = set()
    for _ in range(60):
        stack = dataset[2]
        assert stack["image"].shape == stack["label"].shape == (4, 5, 4)
        assert (stack["image"].dtype, stack["label"].dtype) == (torch.float32, torch.uint8)
        torch.testing.assert_close(stack["image"], stack["label"].float(), atol=1e-3, rtol=0)
        first = int(stack["label"][0, 0, 0])
        assert stack["label"][:, 0, 0].tolist() == [first, first + 1, first + 2, first + 3]
        begun.add(first)
    assert begun == {0, 1, 2, 3}


def test_missing_slices_repeat_the_last_one_unlabelled() -> None:
    dataset = make(StackDataset, [volume(1, 2)], depth=4)
    stack = dataset[0]
    assert stack["image"][:, 0, 0].tolist() == [0, 1, 1, 1]
    assert stack["label"][:, 0, 0].tolist() == [0, 1, UNLABELLED, UNLABELLED]
    assert dataset[0]["label"][1, 0, 0] == 1  # the volume itself was not written into


def test_a_phase_without_a_label_is_left_out() -> None:
    one = volume(3, 5)
    one["label"][1] = UNLABELLED
    assert len(make(StackDataset, [one])) == 2
    assert len(make(VolumeDataset, [one])) == 2


def test_stack_refusals() -> None:
    with pytest.raises(ConfigError, match="`context` must be 0"):
        make(StackDataset, [volume(1, 3)], context=1)
    with pytest.raises(ConfigError, match="1 slice or more"):
        make(StackDataset, [volume(1, 3)], depth=0)


@pytest.mark.parametrize(("batch_size", "sizes"), [(3, [3, 3]), (7, [7]), (20, [7]), (1, [1] * 7)])
def test_a_pass_takes_every_sample_once_in_random_order(batch_size: int, sizes: list[int]) -> None:
    dataset = make(SliceDataset, [volume(1, 7)])
    batches = Batches(dataset, batch_size=batch_size)
    torch.manual_seed(1)
    first, second = ([batch["label"][:, 0, 0, 0].tolist() for batch in batches] for _ in range(2))
    assert [len(batch) for batch in first] == sizes
    assert len(batches) == len(sizes)
    seen = [label for batch in first for label in batch]
    assert len(set(seen)) == len(seen)
    assert first != second
    torch.manual_seed(1)
    assert [batch["label"][:, 0, 0, 0].tolist() for batch in batches] == first


def test_a_batch_needs_a_sample() -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        Batches(make(SliceDataset, [volume(1, 7)]), batch_size=0)


def test_volumes_to_validate_on_have_their_spacing() -> None:
    item = make(VolumeDataset, [volume(2, 3)])[1]
    assert item["image"].shape == item["label"].shape == (1, 5, 4, 3)
    assert item["phase"] == "t01"
    np.testing.assert_allclose(item["image"], item["label"], atol=1e-4)
    np.testing.assert_array_equal(item["image"].affine, np.eye(4))
