"""Normalisations by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import ConfigError
from pipeline.prepare.intensity import METHODS, clip_percentiles, percentile_zscore, training_mean, zscore


def test_zscore_by_hand() -> None:
    np.testing.assert_allclose(zscore(np.array([2, 4, 4, 4, 5, 5, 7, 9])), [-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2])


@pytest.mark.parametrize("name", METHODS)
def test_constant_images_give_zeros_and_all_give_float32(name: str) -> None:
    result = METHODS[name](np.full((3, 4), 7, dtype=np.int16))
    assert result.dtype == np.float32
    assert not result.any()


@pytest.mark.parametrize("name", METHODS)
def test_gain_and_offset_of_the_scanner_do_not_matter(name: str) -> None:
    image = np.random.default_rng(0).gamma(2.0, 50.0, (20, 20))
    np.testing.assert_allclose(METHODS[name](3.0 * image + 11.0), METHODS[name](image), atol=1e-4)


def test_single_bright_pixels_do_not_set_the_scale() -> None:
    image = np.random.default_rng(0).normal(100.0, 10.0, 10_000)
    spoilt = image.copy()
    spoilt[0] = 1e6
    np.testing.assert_allclose(percentile_zscore(spoilt)[1:], percentile_zscore(image)[1:], atol=0.01)
    assert clip_percentiles(spoilt).max() < 200


def test_training_mean_counts_each_pixel_once() -> None:
    assert training_mean([np.zeros((2, 2)), np.full(12, 4, dtype=np.uint8)]) == 3.0
    with pytest.raises(ConfigError, match="at least one"):
        training_mean([])
