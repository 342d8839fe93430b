"""N4: a known field is found again, and degenerate images are handled."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from pipeline.core.errors import ConfigError, GridError
from pipeline.prepare.bias import N4Settings, correct_cine, estimate_log_field


def _chest(n_slices: int) -> np.ndarray:
    """Piecewise constant tissue in air, a little noise, (X, Y, Z)."""
    x, y = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(-1, 1, 80), indexing="ij")
    picture = np.where(np.hypot(x / 0.9, y / 0.8) < 1, 100.0, 0.0)
    picture[np.hypot(x - 0.2, y) < 0.3] = 220.0
    picture[np.hypot(x + 0.4, y + 0.1) < 0.2] = 150.0
    rng = np.random.default_rng(0)
    return (picture[:, :, None] + rng.normal(0, 1.0, (96, 80, n_slices))).clip(0).astype(np.float32)


def _log_field(shape: tuple[int, ...]) -> np.ndarray:
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape), indexing="ij")
    return 0.4 * x - 0.3 * y + 0.2 * x * y + 0.1 * z - 0.2 * x * x


@pytest.mark.parametrize("n_slices", [1, 6])
def test_known_field_is_found(n_slices: int) -> None:
    clean = _chest(n_slices)
    true = _log_field(clean.shape)
    found = estimate_log_field(clean * np.exp(true))
    body = clean > 50
    assert np.corrcoef(found[body], true[body])[0, 1] >= 0.99
    assert abs(found[body].mean()) < 0.05


def test_one_field_for_all_phases_and_it_divides_exactly() -> None:
    clean = _chest(4)
    beat = np.stack([clean, 1.1 * clean, 0.9 * clean]) * np.exp(_log_field(clean.shape))
    corrected, field = correct_cine(beat)
    assert corrected.shape == beat.shape
    assert corrected.dtype == field.dtype == np.float32
    np.testing.assert_allclose(corrected * np.exp(field), beat, rtol=1e-4, atol=1e-3)
    inside = np.abs(clean - 100) < 5
    assert corrected[0][inside].std() < 0.3 * beat[0][inside].std()


def test_the_field_depends_neither_on_the_run_nor_on_the_number_of_threads() -> None:
    image = _chest(3) * np.exp(_log_field((96, 80, 3)))
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    fields = []
    try:
        for n_threads in (1, 5, 5):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(n_threads)
            fields.append(estimate_log_field(image))
            assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == n_threads
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    np.testing.assert_array_equal(fields[0], fields[1])
    np.testing.assert_array_equal(fields[1], fields[2])


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_constant_image_has_no_field(value: float) -> None:
    corrected, field = correct_cine(np.full((2, 40, 40, 3), value))
    assert not field.any()
    np.testing.assert_array_equal(corrected, value)


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 9, 2), (20, 20, 3)])
def test_tiny_images_give_a_finite_field(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(1).uniform(1, 2, shape)
    field = estimate_log_field(image)
    assert field.shape == shape
    assert np.isfinite(field).all()


def test_a_single_bright_pixel_gives_a_finite_field() -> None:
    image = np.zeros((64, 64, 2))
    image[1, 1, 1] = 100.0
    assert np.isfinite(estimate_log_field(image)).all()


def test_refusals() -> None:
    image = _chest(2)
    image[0, 0, 0] = np.nan
    with pytest.raises(GridError, match="finite"):
        estimate_log_field(image)
    for shape in ((20, 20), (2, 20, 20, 3), (0, 20, 3)):
        with pytest.raises(GridError, match="volume"):
            estimate_log_field(np.ones(shape))
    with pytest.raises(ConfigError, match="at least 1"):
        N4Settings(shrink=0)
