"""The patch CNN: its field of view, and one set of weights for patches and whole images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.layers.arithmetic import receptive_field
from pipeline.networks.patch_cnn import PATCH_SIZE, PatchCNN


def _small(**settings: object) -> PatchCNN:
    torch.manual_seed(0)
    return PatchCNN(1, 3, channels=(4, 5, 6), **settings)


def test_parameters_by_hand() -> None:
    expected = (49 * 4 + 4) + (81 * 4 * 5 + 5) + (121 * 5 * 6 + 6) + (64 * 6 * 3 + 3)
    assert sum(p.numel() for p in _small().parameters()) == expected


def test_receptive_field_by_formula_and_by_gradient(probed_extent) -> None:
    convs = [m for m in _small().modules() if isinstance(m, nn.Conv2d)]
    assert [conv.kernel_size[0] for conv in convs] == [7, 9, 11, 8]
    assert receptive_field([(conv.kernel_size[0], conv.stride[0], conv.dilation[0]) for conv in convs]) == 32
    assert PATCH_SIZE == 32
    assert probed_extent(_small(padded=False), 48) == 32


def test_a_whole_image_loses_31_pixels() -> None:
    with torch.device("meta"):
        assert _small(padded=False)(torch.empty(1, 1, 320, 240)).shape == (1, 3, 289, 209)


def test_patches_and_whole_image_agree() -> None:
    x = torch.randn(2, 1, 35, 34)
    patches = x.unfold(2, 32, 1).unfold(3, 32, 1)  # (N, 1, 4, 3, 32, 32)
    with torch.inference_mode():
        whole = _small(padded=False)(x)
        each = _small().classify(patches.permute(0, 2, 3, 1, 4, 5).flatten(0, 2))
    assert whole.shape == (2, 3, 4, 3)
    torch.testing.assert_close(each.view(2, 4, 3, 3).permute(0, 3, 1, 2), whole)


def test_padding_adds_what_the_valid_map_lacks() -> None:
    x = torch.randn(1, 1, 40, 37)
    with torch.inference_mode():
        padded, valid = _small()(x), _small(padded=False)(x)
    assert padded.shape == (1, 3, 40, 37)
    torch.testing.assert_close(padded[:, :, 16:25, 16:22], valid)


@pytest.mark.parametrize("size", [(31, 40), (40, 31)])
def test_images_below_a_patch_are_refused_unpadded(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 32 pixels"):
        _small(padded=False)(torch.zeros(1, 1, *size))


def test_other_patches_and_channel_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="32 x 32"):
        _small().classify(torch.zeros(1, 1, 33, 32))
    with pytest.raises(ConfigError, match="3 channel counts"):
        PatchCNN(1, 2, channels=(8, 8))
