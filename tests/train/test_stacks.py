"""Networks in 3D: their third axis, and whole cines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.infer.cine import CineInferer
from pipeline.infer.stacks import StackInferer
from pipeline.train.stacks import PrepareStacks


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


def test_a_context_is_refused() -> None:
    with pytest.raises(ConfigError, match="`context` must be 0"):
        StackInferer((16, 16), context=1)
