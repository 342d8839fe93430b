"""Batched augmentation for cardiac MR: every sample draws its own parameters, the batch is computed at once.

Random numbers come from torch's default generator, so that seeding it repeats a batch. Images are never mirrored: the
right ventricle has a side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from pipeline.core.errors import ConfigError

__all__ = ["AugmentBatch", "Strength"]


@dataclass(frozen=True)
class Strength:
    """How strong each change may be, and in what fraction of the samples it is made.

    Attributes:
        rotation: largest angle in radians, either way; scale: largest relative change of size, either way;
        shift: largest shift as a fraction of the output size. All three together for a fraction `p_spatial`.
        gamma: range of the exponent on intensities stretched to 0 to 1, log-uniform, for `p_gamma`.
        contrast: largest relative change of the spread around the mean, for `p_contrast`.
        brightness: largest addition in standard deviations, for `p_brightness`.
        bias: largest coefficient of a smooth multiplicative field's logarithm, for `p_bias`.
        ghosting: largest weight of copies displaced along one axis, for `p_ghosting`.
        noise: largest standard deviation of Gaussian noise, in the image's own, for `p_noise`.
        blur: largest weight of a 3 x 3 binomial blur applied twice, for `p_blur`.
    """

    rotation: float = 0.7
    scale: float = 0.3
    shift: float = 0.1
    gamma: tuple[float, float] = (0.5, 1.6)
    contrast: float = 0.3
    brightness: float = 0.3
    bias: float = 0.4
    ghosting: float = 0.25
    noise: float = 0.15
    blur: float = 1.0
    p_spatial: float = 0.8
    p_gamma: float = 0.4
    p_contrast: float = 0.3
    p_brightness: float = 0.3
    p_bias: float = 0.3
    p_ghosting: float = 0.1
    p_noise: float = 0.2
    p_blur: float = 0.2


class AugmentBatch:
    """Cut a window from each slice, moved and changed at random.

    Args:
        size: (x, y) of the window, in pixels.
        strength: how much; any of its fields may be given by name instead.
        settings: fields of `Strength`.

    Raises:
        ConfigError: a size that is not positive, or a field that `Strength` lacks.
    """

    def __init__(self, size: tuple[int, int], *, strength: Strength | None = None, **settings: float) -> None:
        if len(size) != 2 or min(size) < 1:
            raise ConfigError(f"`size` must be 2 positive counts, got {tuple(size)}")
        unknown = sorted(set(settings) - set(Strength.__dataclass_fields__))
        if unknown or (strength and settings):
            raise ConfigError(f"give `strength` or any of {sorted(Strength.__dataclass_fields__)}, got {unknown}")
        self.size = (int(size[0]), int(size[1]))
        self.strength = strength or Strength(**settings)  # type: ignore[arg-type]

    def __call__(self, image: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment a batch.

        Args:
            image: (N, 1, X, Y) float, normalised; what lies outside it takes each slice's lowest value.
            label: (N, 1, X, Y) integers; outside is 0, background.

        Returns:
            Both as (N, 1, x, y) of `size`, types kept; labels by nearest neighbour.
        """
        grid = self._sampling_grid(image)
        floor = image.amin((2, 3), keepdim=True)
        moved = functional.grid_sample(image - floor, grid, mode="bilinear", align_corners=False) + floor
        target = functional.grid_sample(label.to(image.dtype), grid, mode="nearest", align_corners=False)
        return self._change_intensity(moved), target.to(label.dtype)

    def _sampling_grid(self, image: torch.Tensor) -> torch.Tensor:
        """Where in the input each pixel of the output lies; grid_sample names the last axis (Y, X), -1 to 1."""
        n, s = image.shape[0], self.strength
        moved = _chosen(image, s.p_spatial).flatten()
        angle = _uniform(image, -s.rotation, s.rotation).flatten() * moved
        zoom = _log_uniform(image, 1 - s.scale, 1 + s.scale).flatten() ** moved
        (out_x, out_y), (in_x, in_y) = self.size, image.shape[2:]
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        theta = torch.zeros(n, 2, 3, device=image.device)
        theta[:, 0, 0] = cos * out_y / in_y
        theta[:, 0, 1] = -sin * out_x / in_y
        theta[:, 1, 0] = sin * out_y / in_x
        theta[:, 1, 1] = cos * out_x / in_x
        theta[:, 0, 2] = 2 * _uniform(image, -s.shift, s.shift).flatten() * moved * out_y / in_y
        theta[:, 1, 2] = 2 * _uniform(image, -s.shift, s.shift).flatten() * moved * out_x / in_x
        return functional.affine_grid(theta, [n, 1, *self.size], align_corners=False)

    def _change_intensity(self, image: torch.Tensor) -> torch.Tensor:
        s = self.strength
        image = _on_unit_range(image, _log_uniform(image, *s.gamma) ** _chosen(image, s.p_gamma), self._bias(image))
        mean = image.mean((2, 3), keepdim=True)
        gain = 1 + _uniform(image, -s.contrast, s.contrast) * _chosen(image, s.p_contrast)
        lift = _uniform(image, -s.brightness, s.brightness) * _chosen(image, s.p_brightness)
        image = (image - mean) * gain + mean + lift
        image = _ghosted(image, _uniform(image, 0, s.ghosting) * _chosen(image, s.p_ghosting))
        image = _blurred(image, _uniform(image, 0, s.blur) * _chosen(image, s.p_blur))
        deviation = _uniform(image, 0, s.noise) * _chosen(image, s.p_noise)
        return image + deviation * torch.randn_like(image)

    def _bias(self, image: torch.Tensor) -> torch.Tensor:
        """A smooth field like a coil's: the exponential of a polynomial of second order in x and y."""
        x = torch.linspace(-1, 1, image.shape[2], device=image.device).view(1, 1, -1, 1)
        y = torch.linspace(-1, 1, image.shape[3], device=image.device).view(1, 1, 1, -1)
        logarithm = torch.zeros_like(image)
        for basis in (x, y, x * y, x * x - 1 / 3, y * y - 1 / 3):
            logarithm = logarithm + _uniform(image, -self.strength.bias, self.strength.bias) * basis
        return torch.exp(logarithm * _chosen(image, self.strength.p_bias))


def _on_unit_range(image: torch.Tensor, gamma: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """Apply exponent and field while the slice's intensities are stretched to 0 to 1, where both have their meaning."""
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    span = (high - low).clamp_min(1e-6)
    return ((image - low) / span) ** gamma * field * span + low


def _ghosted(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Add the copies that motion between phase-encoding lines leaves: displaced by half the field of view."""
    axis = 2 if torch.rand(()) < 0.5 else 3
    ghost = image.roll(image.shape[axis] // 2, dims=axis)
    return (1 - weight) * image + weight * ghost


def _blurred(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    row = torch.tensor([0.25, 0.5, 0.25], device=image.device, dtype=image.dtype)
    kernel = torch.outer(row, row).view(1, 1, 3, 3)
    soft = image
    for _ in range(2):
        soft = functional.conv2d(functional.pad(soft, (1, 1, 1, 1), mode="replicate"), kernel)
    return torch.lerp(image, soft, weight)


def _uniform(image: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """One number a sample, (N, 1, 1, 1)."""
    return low + (high - low) * torch.rand(image.shape[0], 1, 1, 1, device=image.device)


def _log_uniform(image: torch.Tensor, low: float, high: float) -> torch.Tensor:
    return torch.exp(_uniform(image, math.log(low), math.log(high)))


def _chosen(image: torch.Tensor, probability: float) -> torch.Tensor:
    """1 for the samples that are changed, else 0; (N, 1, 1, 1)."""
    return (torch.rand(image.shape[0], 1, 1, 1, device=image.device) < probability).to(image.dtype)
