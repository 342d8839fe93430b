"""Networks in 3D: stacks to learn from, their third axis, and whole cines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError, DatasetError
from pipeline.core.labels import UNLABELLED
from pipeline.train.inferers import CineInferer
from pipeline.train.stacks import PrepareStacks, StackDataset, StackInferer


def _volume(n_phases: int, n_slices: int) -> dict[str, torch.Tensor]:
    """Every pixel of slice z has the value z, in the image and in the label."""
    slices = torch.arange(n_slices).view(1, 1, 1, -1).expand(n_phases, 5, 4, n_slices)
    return {"image": slices.float(), "label": slices.clone()}


def _stacks(volumes: list[dict[str, torch.Tensor]], **settings: int) -> StackDataset:
    return StackDataset([{"index": index} for index in range(len(volumes))], lambda i: volumes[i["index"]], **settings)


def test_stacks_begin_anywhere_and_their_labels_follow() -> None:
    torch.manual_seed(0)
    dataset = _stacks([_volume(2, 6), _volume(1, 7)], depth=4)
    assert len(dataset) == 3
    begun = set()
    for _ in range(60):
        stack = dataset[2]
        assert stack["image"].shape == stack["label"].shape == (4, 5, 4)
        assert (stack["image"].dtype, stack["label"].dtype) == (torch.float32, torch.uint8)
        torch.testing.assert_close(stack["image"], stack["label"].float())
        first = int(stack["label"][0, 0, 0])
        assert stack["label"][:, 0, 0].tolist() == [first, first + 1, first + 2, first + 3]
        begun.add(first)
    assert begun == {0, 1, 2, 3}


def test_missing_slices_repeat_the_last_one_unlabelled() -> None:
    dataset = _stacks([_volume(1, 2)], depth=4)
    stack = dataset[0]
    assert stack["image"][:, 0, 0].tolist() == [0, 1, 1, 1]
    assert stack["label"][:, 0, 0].tolist() == [0, 1, UNLABELLED, UNLABELLED]
    assert dataset[0]["label"][1, 0, 0] == 1  # the volume itself was not written into


def test_a_phase_without_a_label_is_left_out() -> None:
    volume = _volume(3, 5)
    volume["label"][1] = UNLABELLED
    assert len(_stacks([volume])) == 2
    volume["label"][:] = UNLABELLED
    with pytest.raises(DatasetError, match="labelled slices"):
        _stacks([volume])


def test_the_third_axis_comes_after_augmentation() -> None:
    image, label = torch.randn(2, 8, 6, 5), torch.randint(0, 4, (2, 8, 6, 5))
    prepare = PrepareStacks(lambda batch, *_, **__: (batch["image"] + 1, batch["label"]))
    volumes, labels = prepare({"image": image, "label": label})
    assert volumes.shape == labels.shape == (2, 1, 6, 5, 8)
    torch.testing.assert_close(volumes[1, 0, :, :, 3], image[1, 3] + 1)
    assert torch.equal(labels[1, 0, :, :, 3], label[1, 3])


@pytest.mark.parametrize("size", [(16, 12), (40, 33)])
def test_a_network_blind_to_neighbours_gives_what_it_gives_slice_by_slice(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    flat = nn.Conv2d(1, 3, 3, padding=1)
    deep = nn.Conv3d(1, 3, (3, 3, 1), padding=(1, 1, 0))
    deep.load_state_dict({"weight": flat.weight[..., None], "bias": flat.bias})
    cine = torch.randn(1, 2, *size, 5)
    with torch.inference_mode():
        expected = CineInferer((16, 16), amp=False)(cine, flat)
        torch.testing.assert_close(StackInferer((16, 16), amp=False)(cine, deep), expected)


def test_the_network_sees_every_slice_of_one_phase() -> None:
    cine = torch.randn(1, 3, 16, 16, 4)
    seen = []

    def base_to_apex(stacks: torch.Tensor) -> torch.Tensor:
        seen.append(stacks.shape)
        return stacks.cumsum(-1)

    logits = StackInferer((16, 16), amp=False)(cine, base_to_apex)
    torch.testing.assert_close(logits, cine.cumsum(-1))
    assert seen == [(1, 1, 16, 16, 4)] * 3


def test_windows_at_once_are_counted_by_slices() -> None:
    seen = []

    def network(stacks: torch.Tensor) -> torch.Tensor:
        seen.append(len(stacks))
        return stacks

    StackInferer((16, 16), amp=False, batch_slices=8, overlap=0.0)(torch.randn(1, 1, 32, 32, 4), network)
    StackInferer((16, 16), amp=False, batch_slices=2, overlap=0.0)(torch.randn(1, 1, 16, 32, 4), network)
    assert seen == [2, 2, 1, 1]


def test_the_heart_is_looked_for_and_logits_are_refined_as_in_2d() -> None:
    cine = torch.zeros(1, 2, 96, 80, 4)
    cine[0, :, 60:70, 20:35] = 1.0
    seen = []

    def refine(logits: torch.Tensor, slices: torch.Tensor) -> torch.Tensor:
        seen.append(slices.shape)
        return logits

    inferer = StackInferer((64, 64), amp=False, focus=True, refine=refine)
    found = inferer(cine, lambda x: torch.cat([0.5 - x, x - 0.5], dim=1)).unflatten(1, (2, 2)).argmax(2)
    np.testing.assert_array_equal(found, cine > 0.5)
    assert seen[-2:] == [(4, 1, 64, 64)] * 2


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="`context` must be 0"):
        StackInferer((16, 16), context=1)
    with pytest.raises(ConfigError, match="`context` must be 0"):
        _stacks([_volume(1, 3)], context=1)
    with pytest.raises(ConfigError, match="1 slice or more"):
        _stacks([_volume(1, 3)], depth=0)
