"""Views by arithmetic: of layers by hand, of networks against what gradients reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.networks.field_of_view import field_of_view
from pipeline.networks.registry import NETWORKS, build_network


class _Does(nn.Module):
    """A function as a layer."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def _nearest(x: torch.Tensor, size: int) -> torch.Tensor:
    return functional.interpolate(x, size=(size, size))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(1, 1, 3, padding=1), 3),
        (nn.Conv2d(1, 1, 3, padding=4, dilation=4), 9),
        (nn.Conv2d(1, 1, (1, 3), padding=(0, 1)), 1),  # X comes before Y
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1)), 5),
        (nn.Sequential(nn.AvgPool2d(2), nn.ConvTranspose2d(1, 1, 2, stride=2)), 2),
        # Pixel 10 of 20 reads 5 of 10 through k = s = 2, and 4 and 5 through k = 4, p = 1; each is a mean of two.
        (nn.Sequential(nn.AvgPool2d(2), nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)), 4),
        (nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1), nn.Upsample(scale_factor=2)), 3),
        # (10 + 0.5) / 2 - 0.5 = 4.75, between 4 and 5.
        (nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear")), 4),
        # 10 x 9 / 19 = 4.7, between 4 and 5.
        (nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)), 4),
        (nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Upsample(size=(20, 20))), 5),
        (_Does(lambda x: x + x.mean((2, 3), keepdim=True)), 20),
        (_Does(lambda x: functional.pad(x, (2, 2, 3, 3), mode="replicate").narrow(2, 3, 20).narrow(3, 2, 20)), 1),
        (_Does(lambda x: functional.pad(x, (0, 0, 3, 3)).narrow(2, 0, 20) + x), 4),
        # Pixel 5 of 10 lies at 10.5 of 20; a triangle of +-2 about it weighs 9 to 12.
        (_Does(lambda x: _nearest(functional.interpolate(x, size=(10, 10), mode="bilinear", antialias=True), 20)), 4),
    ],
)
def test_layers_by_hand(layer: nn.Module, expected: int) -> None:
    assert field_of_view(layer.eval(), (1, 1, 20, 20)) == expected


def test_the_place_of_a_maximum_is_read_from_its_window() -> None:
    class Unpooled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            pooled, where = functional.max_pool2d(x, 2, return_indices=True)
            return functional.max_unpool2d(pooled, where, 2, output_size=x.shape[2:])

    assert field_of_view(Unpooled(), (1, 1, 20, 20)) == 2


def test_layers_that_it_does_not_know_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="makes 20 positions of 10"):
        field_of_view(nn.Sequential(nn.AvgPool2d(2), _Does(lambda x: x.repeat(1, 1, 2, 2))), (1, 1, 20, 20))


_VIEWS = {
    "patch_cnn": 32,
    "fcn32s": 374,
    "fcn16s": 374,
    "fcn8s": 374,
    "fcn_torchvision": 411,
    "dilated_front_end": 326,
    "dilated_context": 854,
    "mscadc": 614,
    "deeplabv1": 358,
    "deeplabv2": 875,
    "deeplabv2_vgg": 550,
    "gcn": 915,
    "unet": 188,
    "residual_unet": 187,
    "mnet": 188,
    "unet3d": 92,
    "ternausnet11": 310,
    "linknet34": 499,
    "albunet34": 787,
    "linknet34_fpn": 595,
    "enet": 1249,
    "fullnet": 437,
    "cascade": 380,
    "multiresolution": 378,
    "wnet": 188,
}
"""Pixels, on VGG-11 and ResNet-18, of a middle pixel at a multiple of 32: elsewhere in the strides' grid it is some
more or less. U-Net's, FullNet's and the patch CNN's are worked out by hand in the tests of each."""

_OF_THE_WHOLE_IMAGE = ("parsenet", "deeplabv3", "deeplabv3_torchvision", "deeplabv3plus", "pspnet")

_CHOSEN = {"segnet": 246, "deconvnet": 448, "deeplabv2_pyramid": 448, "deeplabv2_caffe": 448}
"""In 448 pixels. Maxima choose the path, or the scale: a gradient takes one of them."""


@pytest.fixture
def small(small_settings) -> Callable[[str], nn.Module]:
    """A network by its name, as small as its settings make it."""
    return lambda name: build_network(name, 1, 2, **small_settings(name)).eval()


@pytest.mark.parametrize("name", _VIEWS)
def test_networks_see_as_far_as_gradients_reach(name: str, small, probed_extent) -> None:
    network, size = small(name), 64 * (_VIEWS[name] // 64 + 2)
    assert field_of_view(network, (1, 1, size, 32, *[8] * NETWORKS[name].in_3d)) == _VIEWS[name]
    assert probed_extent(network, size, breadth=32) == _VIEWS[name]


@pytest.mark.parametrize("name", _OF_THE_WHOLE_IMAGE)
def test_averages_of_the_image_see_all_of_it(name: str, small, probed_extent) -> None:
    network = small(name)
    assert field_of_view(network, (1, 1, 4096, 32)) == 4096
    assert probed_extent(network, 1024, breadth=32) == 1024


@pytest.mark.parametrize("name", _CHOSEN)
def test_gradients_that_choose_a_path_stay_within(name: str, small, probed_extent) -> None:
    network = small(name)
    assert field_of_view(network, (1, 1, 448, 32)) == _CHOSEN[name]
    assert _CHOSEN[name] / 2 < probed_extent(network, 448, breadth=32) <= _CHOSEN[name]


def test_views_wider_than_can_be_probed(small) -> None:
    assert field_of_view(small("refinenet"), (1, 1, 4096, 32)) == 2387
    assert field_of_view(small("deeplabv3_cascade"), (1, 1, 8192, 32)) == 5987


def test_v_net_by_hand(small) -> None:
    """5x5x5 convolutions, 4 pixels each of their level; 2x2x2 ones that halve, a pixel each of the level before."""
    by_level = [(4 + 4 + 4, 0), (4 * 2, 1), (4 * 4, 2), (4 * 5, 4), (4 * 2, 8)]
    expected = 1 + sum(pixels * 2**level + halving for level, (pixels, halving) in enumerate(by_level))
    assert field_of_view(small("vnet"), (1, 1, 448, 80, 8)) == expected == 396
