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


QUICK = N4Settings(iterations=(2,))


def _picture(*shape: int) -> np.ndarray:
    """A bright box in dim surroundings, shaded along every axis."""
    box = np.full(shape, 20.0)
    box[tuple(slice(n // 4, max(1, n - n // 4)) for n in shape)] = 100.0
    return box * np.exp(_log_field(shape))


def test_the_field_is_of_mean_zero_inside_the_otsu_mask() -> None:
    image = _picture(40, 36, 3).astype(np.float32)
    field = estimate_log_field(image, settings=QUICK)
    mask = sitk.GetArrayFromImage(sitk.OtsuThreshold(sitk.GetImageFromArray(image.T), 0, 1)).T > 0
    assert 0 < mask.sum() < mask.size
    assert abs(float(field[mask].mean(dtype=np.float64))) < 1e-6
    assert abs(float(field.mean(dtype=np.float64))) > 1e-4
    assert field.dtype == np.float32
    assert field.flags.c_contiguous


def test_values_below_zero_are_lifted_and_others_are_left() -> None:
    image = _picture(40, 36, 2)
    below = estimate_log_field(image - 50.0, settings=QUICK)
    lowest = float((image - 50.0).astype(np.float32).min())
    assert lowest < 0 < image.min()
    np.testing.assert_allclose(below, estimate_log_field(image - 50.0 - lowest, settings=QUICK), atol=1e-4)
    lighter, darker = (estimate_log_field((image + more) / 200.0, settings=QUICK) for more in (100.0, 0.0))
    assert np.abs(lighter - darker).max() > 0.003  # of one brightness if both had been made to start at 0


def test_the_field_follows_ratios_and_not_brightness() -> None:
    image = _picture(40, 36, 2)
    np.testing.assert_allclose(
        estimate_log_field(image, settings=QUICK), estimate_log_field(64.0 * image, settings=QUICK), atol=0.01
    )


@pytest.mark.parametrize(
    ("shape", "shrink", "factors"),
    [
        ((32, 33, 3), 2, [2, 2, 1]),
        ((31, 32, 3), 2, [1, 2, 1]),  # a side of less than twice 16 pixels is not halved
        ((64, 31, 3), 2, [2, 1, 1]),
        ((48, 47, 3), 3, [3, 2, 1]),
        ((48, 64, 3), 1, [1, 1, 1]),
        ((15, 8, 3), 2, [1, 1, 1]),
        ((32, 32, 40), 2, [2, 2, 1]),  # slices are never shrunk together
        ((48, 47, 1), 3, [3, 2]),  # a single one is a picture
    ],
)
def test_sides_are_shrunk_in_plane_as_far_as_sixteen_pixels(
    shape: tuple[int, int, int], shrink: int, factors: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[int]] = []
    shrink_by = sitk.Shrink

    def recorded(image: sitk.Image, by: list[int]) -> sitk.Image:
        given.append(list(by))
        return shrink_by(image, by)

    monkeypatch.setattr(sitk, "Shrink", recorded)
    field = estimate_log_field(_picture(*shape), settings=N4Settings(shrink=shrink, iterations=(1,)))
    assert field.shape == shape
    assert given == [factors, factors]  # the mask and the image


def test_a_mask_that_shrinking_loses_gives_way_to_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    shrunken: list[np.ndarray] = []
    shrink_by = sitk.Shrink

    def recorded(image: sitk.Image, by: list[int]) -> sitk.Image:
        shrunken.append(sitk.GetArrayFromImage(shrink_by(image, by)))
        return shrink_by(image, by)

    monkeypatch.setattr(sitk, "Shrink", recorded)
    image = np.zeros((64, 64, 2))
    image[0, 0, 1] = 100.0
    estimate_log_field(image, settings=QUICK)
    lost, whole, picture = shrunken
    assert not lost.any()
    assert (whole == 1).all()
    assert whole.shape == picture.shape == (2, 32, 32)


def test_settings_reach_the_fit() -> None:
    image = _picture(40, 36, 2)
    fields = [
        estimate_log_field(image, settings=settings)
        for settings in (None, N4Settings(), N4Settings(shrink=2, iterations=(50, 50)), N4Settings(iterations=(1,)))
    ]
    np.testing.assert_array_equal(fields[0], fields[1])
    np.testing.assert_array_equal(fields[1], fields[2])
    assert np.abs(fields[2] - fields[3]).max() > 0.01


def test_the_fit_is_of_the_mean_over_time() -> None:
    image = _picture(40, 36, 2)
    beat = np.stack([0.5 * image, image, 3.0 * image**1.1])
    corrected, field = correct_cine(beat, settings=QUICK)
    np.testing.assert_array_equal(field, estimate_log_field(beat.mean(axis=0), settings=QUICK))
    np.testing.assert_allclose(corrected, beat / np.exp(field), rtol=1e-6)


def test_the_number_of_threads_is_put_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    during: list[int] = []

    def fails(*_: object) -> None:
        during.append(sitk.ProcessObject.GetGlobalDefaultNumberOfThreads())
        raise RuntimeError("no fit")

    try:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(3)
        monkeypatch.setattr(sitk, "Shrink", fails)
        with pytest.raises(RuntimeError, match="no fit"):
            estimate_log_field(_picture(40, 36, 2))
        assert during == [1]
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 3
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


@pytest.mark.parametrize(("shrink", "iterations"), [(0, (50,)), (-1, (50,)), (2, ()), (2, (0,)), (2, (50, 0))])
def test_counts_below_one_are_refused(shrink: int, iterations: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        N4Settings(shrink=shrink, iterations=iterations)


def test_counts_of_one_are_not() -> None:
    assert N4Settings(shrink=1, iterations=(1,)) == N4Settings(1, (1,))
    assert N4Settings() == N4Settings(shrink=2, iterations=(50, 50))


def test_refusals() -> None:
    image = _chest(2)
    for value in (np.nan, np.inf, -np.inf):
        image[0, 0, 0] = value
        with pytest.raises(GridError, match="finite"):
            estimate_log_field(image)
    with pytest.raises(GridError, match="volume"):
        correct_cine(np.ones((20, 20, 3)))
    for shape in ((20, 20), (2, 20, 20, 3), (0, 20, 3)):
        with pytest.raises(GridError, match="volume"):
            estimate_log_field(np.ones(shape))
