"""MONAI wrappers around this package's functions, for `MetaTensor` images (T, X, Y, Z)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Flip, InvertibleTransform, MapTransform

from pipeline.core.errors import ConfigError
from pipeline.prepare.bias import N4Settings, correct_cine
from pipeline.prepare.intensity import METHODS, subtract_mean
from pipeline.prepare.view import is_mirrored

__all__ = ["CorrectBiasd", "NormaliseIntensityd", "StandardViewd"]


class _TurnOver(Flip):
    """A flip that goes by its own name in an image's record of transforms, so that no other flip is taken for it."""


class StandardViewd(MapTransform, InvertibleTransform):
    """Flip the rows of images stored upside down (see `view`); undone by MONAI's `Invertd`.

    Args:
        keys: of the images.
    """

    def __init__(self, keys: KeysCollection) -> None:
        super().__init__(keys)
        self.flip = _TurnOver(spatial_axis=1)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Flip where needed; the affine follows."""
        viewed = dict(data)
        for key in self.key_iterator(viewed):
            if is_mirrored(viewed[key].affine.cpu().numpy()):
                viewed[key] = self.flip(viewed[key])
        return viewed

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Flip back what this transform has flipped."""
        restored = dict(data)
        for key in self.key_iterator(restored):
            operations = restored[key].applied_operations
            if operations and operations[-1]["class"] == _TurnOver.__name__:
                restored[key] = self.flip.inverse(restored[key])
        return restored


class CorrectBiasd(MapTransform):
    """N4, one field a cine, see `bias.correct_cine`.

    Args:
        keys: of the images.
        shrink: see `bias.N4Settings`.
        iterations: see `bias.N4Settings`.
        field_key: also keep the log field (X, Y, Z) under this key.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        shrink: int = 2,
        iterations: Sequence[int] = (50, 50),
        field_key: str | None = None,
    ) -> None:
        super().__init__(keys)
        self.settings = N4Settings(shrink, tuple(iterations))
        self.field_key = field_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace each image by the corrected one."""
        corrected = dict(data)
        for key in self.key_iterator(corrected):
            image: MetaTensor = corrected[key]
            array = image.as_tensor().cpu().numpy()
            result, field = correct_cine(array, settings=self.settings)
            corrected[key] = _replaced(image, result)
            if self.field_key is not None:
                corrected[self.field_key] = torch.from_numpy(field)
        return corrected


class NormaliseIntensityd(MapTransform):
    """Normalise each cine as a whole, so that its phases stay comparable.

    Args:
        keys: of the images.
        method: a name in `intensity.METHODS`, or "subtract_mean".
        mean: the number to subtract, for "subtract_mean"; from training images alone.

    Raises:
        ConfigError: unknown method, or a mean that is missing or of no use.
    """

    def __init__(self, keys: KeysCollection, *, method: str = "percentile_zscore", mean: float | None = None) -> None:
        super().__init__(keys)
        if method not in (*METHODS, "subtract_mean"):
            raise ConfigError(f"`method` must be one of {[*METHODS, 'subtract_mean']}, got {method!r}")
        if (mean is not None) != (method == "subtract_mean"):
            raise ConfigError(f"`mean` belongs to the method 'subtract_mean', got {mean} with {method!r}")
        self.method = method
        self.mean = mean

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace each image by the normalised one, float32."""
        normalised = dict(data)
        for key in self.key_iterator(normalised):
            array = normalised[key].as_tensor().cpu().numpy()
            result = METHODS[self.method](array) if self.mean is None else subtract_mean(array, mean=self.mean)
            normalised[key] = _replaced(normalised[key], result)
        return normalised


def _replaced(image: MetaTensor, array: np.ndarray) -> MetaTensor:
    """The image with other values: its metadata and its record of transforms stay."""
    values = torch.from_numpy(np.ascontiguousarray(array)).to(image.device)
    return MetaTensor(values, meta=image.meta, applied_operations=image.applied_operations)
