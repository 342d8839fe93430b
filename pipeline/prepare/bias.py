"""N4 bias-field correction (Tustison et al., IEEE TMI 29(6), 2010) by SimpleITK: one field a cine.

A receive coil multiplies the image by a smooth field that stands still while the heart beats. So one field is fitted to
the temporal mean, shrunken in plane and inside an Otsu mask; it is evaluated at full resolution, and every phase is
divided by it. The spline is coarse on purpose: see docs/decisions/0003-n4-settings.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from monai.utils import optional_import

from pipeline.core.errors import ConfigError, GridError

if TYPE_CHECKING:
    import SimpleITK as sitk
else:  # a training from a pack corrects nothing, and runs where it is not installed
    sitk, _ = optional_import("SimpleITK")

__all__ = ["N4Settings", "correct_cine", "estimate_log_field"]

_LEAST_SHRUNKEN = 16
"""A spline with four control points needs about this many pixels along an axis."""


@dataclass(frozen=True)
class N4Settings:
    """Settings of the fit.

    Attributes:
        shrink: factor by which slices are shrunk in plane before the fit; less where slices are small.
        iterations: most iterations at each resolution of the spline, coarse to fine.

    Raises:
        ConfigError: a count below 1.
    """

    shrink: int = 2
    iterations: tuple[int, ...] = (50, 50)

    def __post_init__(self) -> None:
        if self.shrink < 1 or not self.iterations or min(self.iterations) < 1:
            raise ConfigError(f"N4 needs `shrink` and `iterations` of at least 1, got {self.shrink}, {self.iterations}")


def estimate_log_field(volume: np.ndarray, *, settings: N4Settings | None = None) -> np.ndarray:
    """Estimate the natural logarithm of the bias field of one volume.

    Args:
        volume: (X, Y, Z) real; a single slice is fitted in 2D. Values below 0 are lifted to start at 0.
        settings: of the fit.

    Returns:
        (X, Y, Z) float32 at full resolution, its mean 0 inside the Otsu mask, so that correction keeps the brightness.
        A volume of one value gives zeros.

    Raises:
        GridError: not three axes, or NaN or infinity among the values.
    """
    volume = np.asarray(volume, dtype=np.float32)
    if volume.ndim != 3 or not volume.size:
        raise GridError(f"bias correction needs a volume (X, Y, Z), got shape {volume.shape}")
    if not np.isfinite(volume).all():
        raise GridError("bias correction needs finite intensities, got NaN or infinity")
    if volume.max() <= volume.min():
        return np.zeros(volume.shape, dtype=np.float32)
    image = _as_itk(volume - min(0.0, float(volume.min())))
    mask = sitk.OtsuThreshold(image, 0, 1)
    with _one_thread():
        field = _fit(image, mask, settings or N4Settings())
    field -= field[sitk.GetArrayViewFromImage(mask) > 0].mean()
    return np.ascontiguousarray(field.T.reshape(volume.shape))


def correct_cine(array: np.ndarray, *, settings: N4Settings | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Divide every phase of a cine by the field of its temporal mean.

    Args:
        array: (T, X, Y, Z) real.
        settings: of the fit.

    Returns:
        The corrected cine, (T, X, Y, Z) float32, and the log field, (X, Y, Z) float32: `corrected * exp(field)` is
        the input.

    Raises:
        GridError: not four axes, or NaN or infinity among the values.
    """
    log_field = estimate_log_field(array.mean(axis=0, dtype=np.float64), settings=settings)
    return np.asarray(array / np.exp(log_field), dtype=np.float32), log_field


def _as_itk(volume: np.ndarray) -> sitk.Image:
    """The volume with ITK's axis order and spacing 1; a single slice becomes a 2D image, which N4 fits as such.

    N4 lays the same number of control points over each axis, so millimetres do not change the field; but they do
    change how coordinates round at its edge, and with that every iteration thereafter.
    """
    return sitk.GetImageFromArray(np.ascontiguousarray(volume[:, :, 0].T if volume.shape[2] == 1 else volume.T))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over several threads round differently with their number: one gives every machine the same field.

    N4's inner spline fit heeds the global number alone, so that is set and put back. It costs no time: measured on
    256 x 256 x 12 voxels, 1.4 s with one thread or with two.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _fit(image: sitk.Image, mask: sitk.Image, settings: N4Settings) -> np.ndarray:
    """Fit on the shrunken image; the field comes back at full resolution, in ITK's axis order."""
    in_plane = [max(1, min(settings.shrink, size // _LEAST_SHRUNKEN)) for size in image.GetSize()[:2]]
    factors = in_plane + [1] * (image.GetDimension() - 2)
    small_mask = sitk.Shrink(mask, factors)
    if not sitk.GetArrayViewFromImage(small_mask).any():
        small_mask = sitk.Shrink(mask * 0 + 1, factors)  # a few bright pixels alone, lost by shrinking
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(list(settings.iterations))
    corrector.Execute(sitk.Shrink(image, factors), small_mask)
    # a copy: a view would outlive the image whose memory it shows
    return sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image)).astype(np.float32)
