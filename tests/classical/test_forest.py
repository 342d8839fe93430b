"""Random forest of pixels: what it learns from, what it may not learn from, and that a seed repeats it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.classical.forest import PixelForest, balanced_pixels, texture_features
from pipeline.core.errors import ConfigError, GridError, InputError, LabelError
from pipeline.core.labels import UNLABELLED


def _slice(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """48 x 56: smooth left half (0), coarse right half of the same mean (3), and a bright square (1)."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((48, 56), dtype=np.uint8)
    labels[:, 28:] = 3
    image = rng.normal(0, np.where(labels == 3, 2.0, 0.2))
    at = rng.integers(4, 20)
    labels[at : at + 12, 8:20], image[at : at + 12, 8:20] = 1, rng.normal(5, 0.2, (12, 12))
    return image, labels


def _forest(**settings: int) -> PixelForest:
    return PixelForest(n_trees=10, n_pixels=100, sigma_max=4.0, **settings)


def test_texture_and_intensity_are_told_apart_on_an_unseen_slice() -> None:
    forest = _forest().fit([_slice(0), _slice(1)])
    image, labels = _slice(2)
    predicted = forest.predict(image)
    assert predicted.dtype == np.uint8
    assert predicted.shape == labels.shape
    assert forest.classes == (0, 1, 3)
    for value in forest.classes:
        assert (predicted[labels == value] == value).mean() > 0.85


def test_probabilities_lead_to_the_prediction() -> None:
    forest = _forest().fit([_slice(0)])
    image, _ = _slice(2)
    probabilities = forest.predict_probabilities(image)
    assert probabilities.shape == (3, 48, 56)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, rtol=1e-5)
    assert np.array_equal(np.array([0, 1, 3])[probabilities.argmax(axis=0)], forest.predict(image))


def test_a_seed_repeats_the_forest_and_another_does_not() -> None:
    image, _ = _slice(2)
    first, again, other = (_forest(seed=seed).fit([_slice(0)]).predict_probabilities(image) for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_unlabelled_pixels_teach_nothing() -> None:
    image, labels = _slice(0)
    hidden = labels.copy()
    hidden[labels == 1] = UNLABELLED
    forest = _forest().fit([(image, hidden), (image, np.full_like(labels, UNLABELLED))])
    assert forest.classes == (0, 3)


def test_a_second_fit_forgets_the_first() -> None:
    image, labels = _slice(0)
    forest = _forest().fit([(image, labels)])
    assert forest.fit([(image, np.minimum(labels, 1))]).classes == (0, 1)


def test_draws_are_balanced_and_skip_the_unlabelled() -> None:
    labels = np.repeat(np.array([0, 1, 2, UNLABELLED], dtype=np.uint8), [70, 20, 5, 30]).reshape(5, 25)
    drawn = balanced_pixels(labels, n_pixels=10, random=np.random.default_rng(0))
    assert len(set(drawn.tolist())) == len(drawn)
    assert np.bincount(labels.ravel()[drawn]).tolist() == [10, 10, 5]


def test_features_of_a_ramp_by_hand() -> None:
    ramp = np.arange(64.0)[:, None] * np.ones(64)
    middle = texture_features(3 * ramp, sigma_max=2.0)[32, 32].reshape(3, 4)
    # at each scale the ramp itself, 6 over two pixels in one of two directions (Sobel: 6 / sqrt 2), no curvature
    np.testing.assert_allclose(middle, [[96, 6 / np.sqrt(2), 0, 0]] * 3, atol=1e-4)


def test_integers_are_taken_at_their_own_value() -> None:
    image = np.random.default_rng(0).integers(0, 4000, (16, 16)).astype(np.int16)
    np.testing.assert_array_equal(
        texture_features(image, sigma_max=2.0), texture_features(image.astype(np.float64), sigma_max=2.0)
    )


def test_refusals() -> None:
    image, labels = _slice(0)
    with pytest.raises(ConfigError, match="fitted before"):
        _forest().predict(image)
    with pytest.raises(GridError, match="shape"):
        _forest().fit([(image, labels[1:])])
    with pytest.raises(GridError, match="X, Y"):
        texture_features(image[None])
    with pytest.raises(InputError, match="finite"):
        texture_features(np.full((4, 4), np.nan))
    for nothing in ([], [(image, np.full_like(labels, UNLABELLED))]):
        with pytest.raises(LabelError, match="labelled"):
            _forest().fit(nothing)
    with pytest.raises(ConfigError, match="at least 1"):
        PixelForest(n_trees=0)
