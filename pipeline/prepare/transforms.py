"""MONAI wrappers around this package's functions, for `MetaTensor` images (T, X, Y, Z)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform, SpatialResample
from monai.utils.enums import TraceKeys

from pipeline.core.errors import ConfigError
from pipeline.core.pose import Pose
from pipeline.prepare.bias import N4Settings, correct_cine
from pipeline.prepare.intensity import METHODS, subtract_mean
from pipeline.prepare.resample import centred_grid
from pipeline.prepare.view import View, standard_view

__all__ = ["CentredSpacingd", "CorrectBiasd", "NormaliseIntensityd", "StandardViewd"]


class StandardViewd(MapTransform, InvertibleTransform):
    """Lay stacks down in the standard view by their headers (see `view`); undone by MONAI's `Invertd`.

    Nothing is resampled: axes are exchanged and flipped, the affine follows.

    Args:
        keys: of the images.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Lay down each image, and record how."""
        viewed = dict(data)
        for key in self.key_iterator(viewed):
            image: MetaTensor = viewed[key]
            view = standard_view(image.affine.cpu().numpy())
            viewed[key] = _laid_down(image, view)
            self.push_transform(viewed[key], extra_info={"view": astuple(view)})
        return viewed

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Lay down each image as it was stored."""
        restored = dict(data)
        for key in self.key_iterator(restored):
            recorded = self.pop_transform(restored[key], check=False)  # perhaps by another process's transform
            pose, reverse = recorded[TraceKeys.EXTRA_INFO]["view"]
            restored[key] = _laid_down(restored[key], View(Pose(*pose), reverse).inverse)
        return restored


class CentredSpacingd(MapTransform, InvertibleTransform):
    """Resample to another spacing around the same middle (see `resample`); undone by MONAI's `Invertd`.

    Args:
        keys: of the images.
        pixdim: spacing along X, Y, Z in mm; 0 or less leaves the axis as it is.
        mode: of interpolation, as for MONAI's `SpatialResample`.
        padding_mode: likewise, of what lies outside.
        dtype: torch or numpy type that is computed in.
    """

    def __init__(
        self,
        keys: KeysCollection,
        pixdim: Sequence[float],
        *,
        mode: str = "bilinear",
        padding_mode: str = "border",
        dtype: Any = torch.float32,
    ) -> None:
        super().__init__(keys)
        self.pixdim = tuple(pixdim)
        self.resample = SpatialResample(mode=mode, padding_mode=padding_mode, dtype=dtype)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample each image; the affine follows."""
        resampled = dict(data)
        for key in self.key_iterator(resampled):
            image: MetaTensor = resampled[key]
            size, affine = centred_grid(image.shape[-3:], image.affine.cpu().numpy(), self.pixdim)
            resampled[key] = self.resample(image, dst_affine=torch.as_tensor(affine), spatial_size=size)
        return resampled

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample each image back to its own grid."""
        restored = dict(data)
        for key in self.key_iterator(restored):
            restored[key] = self.resample.inverse(restored[key])
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
            corrected[key] = _replace(image, result)
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
            normalised[key] = _replace(normalised[key], result)
        return normalised


def _laid_down(image: MetaTensor, view: View) -> MetaTensor:
    """The image laid down in a view: its affine follows, its record of transforms stays."""
    values = view.pose.apply(image.as_tensor())
    laid = MetaTensor((values.flip(-1) if view.reverse else values).contiguous(), meta=image.meta)
    matrix = view.index_matrix(tuple(image.shape[-3:]))
    laid.affine = image.affine @ torch.as_tensor(matrix, dtype=image.affine.dtype, device=image.affine.device)
    laid.applied_operations = image.applied_operations
    return laid


def _replace(image: MetaTensor, array: np.ndarray) -> MetaTensor:
    """The image with other values: its metadata and its record of transforms stay."""
    values = torch.from_numpy(np.ascontiguousarray(array)).to(image.device)
    return MetaTensor(values, meta=image.meta, applied_operations=image.applied_operations)
