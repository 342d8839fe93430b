"""Random forest of pixels (Breiman, Machine Learning 45, 2001) on texture features: the baseline before networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from pipeline.core.errors import ConfigError, GridError, InputError, LabelError
from pipeline.core.labels import UNLABELLED, is_partial

__all__ = ["PixelForest", "balanced_pixels", "texture_features"]


class PixelForest:
    """Labels each pixel of a slice by a random forest on `texture_features`.

    Normalise images in the same way for fitting and prediction. A forest cannot be saved, because scikit-learn's own
    format, pickle, can execute code. Fit it again: the same images, settings and seed give exactly the same forest.

    Args:
        n_trees: trees of the forest.
        n_pixels: at most this many pixels of each class and slice are learned from.
        min_pixels_per_leaf: least pixels of a leaf. Larger values make smoother and smaller trees.
        sigma_max: coarsest scale of the features, pixels.
        seed: of the pixels drawn and of the trees.
        n_jobs: threads.

    Raises:
        ConfigError: a count below 1, or a coarsest scale below the finest, 0.5.
    """

    def __init__(
        self,
        *,
        n_trees: int = 100,
        n_pixels: int = 200,
        min_pixels_per_leaf: int = 3,
        sigma_max: float = 16.0,
        seed: int = 0,
        n_jobs: int = 1,
    ) -> None:
        if min(n_trees, n_pixels, min_pixels_per_leaf, n_jobs) < 1 or sigma_max < 0.5:
            raise ConfigError(
                "a pixel forest needs counts of at least 1 and `sigma_max` of at least 0.5, "
                f"got {(n_trees, n_pixels, min_pixels_per_leaf, n_jobs)} and {sigma_max}"
            )
        self.n_pixels, self.sigma_max, self.seed, self.n_jobs = n_pixels, sigma_max, seed, n_jobs
        self._forest = RandomForestClassifier(
            n_trees, min_samples_leaf=min_pixels_per_leaf, random_state=seed, n_jobs=n_jobs
        )

    @property
    def classes(self) -> tuple[int, ...]:
        """Label values learned, rising: the order of `predict_probabilities`.

        Raises:
            ConfigError: not fitted yet.
        """
        if not hasattr(self._forest, "classes_"):
            raise ConfigError("a pixel forest must be fitted before it predicts, got one that is not")
        return tuple(int(value) for value in self._forest.classes_)

    def fit(self, slices: Sequence[tuple[np.ndarray, np.ndarray]]) -> PixelForest:
        """Fit to slices, discarding any earlier fit.

        Args:
            slices: pairs of an image (X, Y), finite, and its labels (X, Y) uint8. `UNLABELLED` pixels are left out.

        Returns:
            Itself.

        Raises:
            GridError: labels of another shape than their image, or an image that is not (X, Y).
            InputError: an image that is not finite.
            LabelError: no labelled pixel at all.
        """
        random = np.random.default_rng(self.seed)
        features, targets = [], []
        for image, labels in slices:
            if labels.shape != image.shape:
                raise GridError(f"labels must have their image's shape {image.shape}, got {labels.shape}")
            drawn = balanced_pixels(labels, n_pixels=self.n_pixels, random=random)
            features.append(self._features(image)[drawn])
            targets.append(labels.ravel()[drawn])
        if not sum(map(len, targets)):
            raise LabelError(f"a pixel forest needs labelled pixels, got none in {len(targets)} slices")
        self._forest.fit(np.concatenate(features), np.concatenate(targets))
        return self

    def predict_probabilities(self, image: np.ndarray) -> np.ndarray:
        """(X, Y) -> (K, X, Y) float32: the trees' mean vote for each of `classes`.

        Raises:
            ConfigError: not fitted yet.
            GridError: not (X, Y).
            InputError: an image that is not finite.
        """
        n_classes = len(self.classes)
        votes = self._forest.predict_proba(self._features(image))
        return votes.T.reshape(n_classes, *image.shape).astype(np.float32)

    def predict(self, image: np.ndarray) -> np.ndarray:
        """(X, Y) -> (X, Y) uint8: the class of most votes, the lowest in a tie. Raises as `predict_probabilities`."""
        winners = self.predict_probabilities(image).argmax(axis=0)
        return np.asarray(self.classes, dtype=np.uint8)[winners]

    def _features(self, image: np.ndarray) -> np.ndarray:
        return texture_features(image, sigma_max=self.sigma_max, n_jobs=self.n_jobs).reshape(image.size, -1)


def texture_features(image: np.ndarray, *, sigma_max: float = 16.0, n_jobs: int = 1) -> np.ndarray:
    """Blurred intensity, edge strength and both eigenvalues of the Hessian at scales 0.5, 1, 2, ... up to `sigma_max`.

    Args:
        image: (X, Y), finite, in any unit.
        sigma_max: coarsest scale, pixels.
        n_jobs: threads.

    Returns:
        (X, Y, 4 S) float32 for S scales.

    Raises:
        GridError: not (X, Y).
        InputError: an image that is not finite.

    >>> texture_features(np.zeros((8, 8)), sigma_max=4).shape
    (8, 8, 16)
    """
    if image.ndim != 2:
        raise GridError(f"a pixel forest needs an image (X, Y), got shape {image.shape}")
    if not np.isfinite(image).all():
        raise InputError(f"a pixel forest needs finite pixels, got others in an image of shape {image.shape}")
    features: np.ndarray = multiscale_basic_features(
        image.astype(np.float32), sigma_max=sigma_max, num_workers=n_jobs
    )  # as floats, or integer images would be rescaled to their type's range
    return features


def balanced_pixels(labels: np.ndarray, *, n_pixels: int, random: np.random.Generator) -> np.ndarray:
    """Draw up to `n_pixels` of each class without replacement.

    Args:
        labels: uint8 of any shape. `UNLABELLED` and partial pixels are never drawn.
        n_pixels: of each class.
        random: source of the draws.

    Returns:
        Flat indices, class after class, or empty if nothing is labelled.

    >>> balanced_pixels(np.array([0, 0, 0, 2, 255]), n_pixels=2, random=np.random.default_rng(0)).shape
    (3,)
    """
    flat = labels.ravel()
    drawn: list[np.ndarray] = [np.zeros(0, dtype=np.intp)]
    for value in np.unique(flat[(flat != UNLABELLED) & ~is_partial(flat)]):
        members = np.flatnonzero(flat == value)
        drawn.append(random.choice(members, min(n_pixels, len(members)), replace=False))
    return np.concatenate(drawn)
