"""The feature pyramid: laterals, summed from the top; smoothed or not."""

from __future__ import annotations

import torch
from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork
from torch.nn import functional

from pipeline.networks.layers.pyramid import FeaturePyramid


def _stages() -> list[torch.Tensor]:
    """Of odd sizes: 9 is no multiple of 5."""
    torch.manual_seed(0)
    return [torch.randn(2, 3, 9, 12), torch.randn(2, 5, 5, 6), torch.randn(2, 7, 3, 3)]


def test_levels_are_summed_from_the_top() -> None:
    pyramid, stages = FeaturePyramid([3, 5, 7], 4, smooth=False), _stages()
    levels = pyramid(stages)
    assert [level.shape for level in levels] == [(2, 4, 9, 12), (2, 4, 5, 6), (2, 4, 3, 3)]
    torch.testing.assert_close(levels[2], pyramid.laterals[2](stages[2]))
    for index in range(2):
        above = functional.interpolate(levels[index + 1], size=stages[index].shape[2:], mode="nearest")
        torch.testing.assert_close(levels[index], pyramid.laterals[index](stages[index]) + above)


def test_doubling_repeats_each_cell() -> None:
    pyramid = FeaturePyramid([1, 1], 1, smooth=False)
    for lateral in pyramid.laterals:
        torch.nn.init.ones_(lateral.weight)
        torch.nn.init.zeros_(lateral.bias)
    fine, _ = pyramid([torch.zeros(1, 1, 2, 4), torch.tensor([[[[1.0, 2.0]]]])])
    assert fine.tolist() == [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]


def test_smoothed_it_is_that_of_monai() -> None:
    pyramid, stages = FeaturePyramid([3, 5, 7], 4), _stages()
    reference = FeaturePyramidNetwork(2, [3, 5, 7], 4)
    reference.inner_blocks.load_state_dict(pyramid.laterals.state_dict())
    reference.layer_blocks.load_state_dict(pyramid.smoothing.state_dict())
    expected = reference({str(index): stage for index, stage in enumerate(stages)})
    for level, one in zip(pyramid(stages), expected.values(), strict=True):
        torch.testing.assert_close(level, one)


def test_parameters_by_hand() -> None:
    count = sum(p.numel() for p in FeaturePyramid([3, 5, 7], 4).parameters())
    assert count == (3 + 5 + 7 + 3) * 4 + 3 * (9 * 4 * 4 + 4)
