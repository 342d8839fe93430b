"""Batched augmentation for cardiac MR: every sample has its own parameters, and the batch is computed at once.

Random numbers come from torch's default generator, so seeding it reproduces a batch, however many processes share it
(`whole_batch.draw`). Images are never mirrored, since
the right ventricle has a side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from inspect import Parameter, Signature
from typing import ClassVar

import torch
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.train.whole_batch import draw

__all__ = ["AugmentBatch", "CropBatch", "Strength"]


@dataclass(frozen=True)
class Strength:
    """Strength of each change, and the fraction of the samples that get it.

    Attributes:
        rotation: largest angle in radians, either way.
        scale: largest relative change of size, either way.
        shift: largest shift as a fraction of the output size. All three together for a fraction `p_spatial`.
        elastic: largest deformation, as a fraction of the output size, for `p_elastic`. Up to 0.05 nothing folds over.
        gamma: range of the exponent on intensities stretched to 0 to 1, log-uniform, for `p_gamma`.
        contrast: largest relative change of the spread around the mean, for `p_contrast`.
        brightness: largest addition in standard deviations, for `p_brightness`.
        bias: largest coefficient of a smooth multiplicative field's logarithm, for `p_bias`.
        ghosting: largest weight of copies displaced along one axis, for `p_ghosting`.
        noise: largest standard deviation of Gaussian noise, in the image's own, for `p_noise`.
        blur: largest weight of a 3 x 3 binomial blur applied twice (about what twice the pixel size loses), `p_blur`.
        p_stack_turn: fraction whose neighbouring slices swap sides, since stacks run from base to apex or back.
        p_quarter_turn: fraction also rotated by 90, 180 or 270 degrees, in equal parts.
    """

    rotation: float = 0.35
    scale: float = 0.2
    shift: float = 0.1
    elastic: float = 0.03
    gamma: tuple[float, float] = (0.5, 1.6)
    contrast: float = 0.3
    brightness: float = 0.3
    bias: float = 0.4
    ghosting: float = 0.25
    noise: float = 0.15
    blur: float = 1.0
    p_spatial: float = 0.6
    p_stack_turn: float = 0.5
    p_quarter_turn: float = 0.0
    p_elastic: float = 0.0
    p_gamma: float = 0.25
    p_contrast: float = 0.3
    p_brightness: float = 0.3
    p_bias: float = 0.2
    p_ghosting: float = 0.05
    p_noise: float = 0.1
    p_blur: float = 0.1

    def __post_init__(self) -> None:
        if len(self.gamma) != 2 or not 0 < self.gamma[0] <= self.gamma[1]:
            raise ConfigError(f"`gamma` must be a range above 0, as (0.5, 1.6), got {tuple(self.gamma)}")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "gamma" and not 0 <= value <= (1 if field.name.startswith("p_") else math.inf):
                kind = "a fraction from 0 to 1" if field.name.startswith("p_") else "0 or more"
                raise ConfigError(f"`{field.name}` must be {kind}, got {value}")
        if self.scale >= 1:
            raise ConfigError(f"`scale` must be below 1, got {self.scale}")


def _spelled_out() -> Signature:
    """What `AugmentBatch` takes, each field of `Strength` by its name, for those who look before they set one."""
    named = [Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default) for field in fields(Strength)]
    return Signature([Parameter("size", Parameter.POSITIONAL_OR_KEYWORD), *named])


class AugmentBatch:
    """Cut a window from each slice and augment it at random.

    Args:
        size: (x, y) of the window, in pixels.
        strength: strength of the changes. Any of its fields may be given by name instead.
        settings: fields of `Strength`.

    Raises:
        ConfigError: a size that is not positive, a field that `Strength` lacks, or a value that it cannot have.
    """

    __signature__: ClassVar[Signature] = _spelled_out()

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
            image: (N, C, X, Y) float, normalised, with C neighbouring slices, changed alike. What lies outside it takes
                each slice's lowest value.
            label: (N, 1, X, Y) integers, or (N, C, X, Y) with one of each slice. Outside is 0, background.

        Returns:
            (N, C, x, y) and (N, 1 or C, x, y) of `size`, types kept, with labels by nearest neighbour.
        """
        turned = _choose_images(image, self.strength.p_stack_turn) > 0
        image, label = (torch.where(turned, one.flip(1), one) for one in (image, label))
        grid = self._sampling_grid(image)
        floor = image.amin((2, 3), keepdim=True)
        moved = functional.grid_sample(image - floor, grid, mode="bilinear", align_corners=False) + floor
        target = functional.grid_sample(label.to(image.dtype), grid, mode="nearest", align_corners=False)
        return self._change_intensity(moved), target.to(label.dtype)

    def _sampling_grid(self, image: torch.Tensor) -> torch.Tensor:
        """Where in the input each pixel of the output lies. Grid_sample names the last axis (Y, X), -1 to 1."""
        n, s = image.shape[0], self.strength
        moved = _choose_images(image, s.p_spatial).flatten()
        angle = _uniform(image, -s.rotation, s.rotation).flatten() * moved + _quarter_turns(image, s.p_quarter_turn)
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
        # half a pixel if an odd number is cut off, so that a window without shift is on the slice's own pixels
        theta[:, :, 2] += theta.new_tensor([(in_y - out_y) % 2 / in_y, (in_x - out_x) % 2 / in_x])
        grid = functional.affine_grid(theta, [n, 1, *self.size], align_corners=False)
        return grid if s.p_elastic == 0 else grid + self._bend(image) * grid.new_tensor([out_y / in_y, out_x / in_x])

    def _bend(self, image: torch.Tensor) -> torch.Tensor:
        """A smooth displacement (N, x, y, 2) in halves of the window, from random ones on a coarse 5 x 5 mesh."""
        coarse = 2 * draw(torch.rand, image.shape[0], 2, 5, 5, device=image.device) - 1
        fine = functional.interpolate(coarse, size=self.size, mode="bicubic", align_corners=True)
        chosen = _choose_images(image, self.strength.p_elastic)
        return (2 * self.strength.elastic * chosen * fine.clamp(-1, 1)).permute(0, 2, 3, 1)

    def _change_intensity(self, image: torch.Tensor) -> torch.Tensor:
        s = self.strength
        image = _on_unit_range(
            image, _log_uniform(image, *s.gamma) ** _choose_images(image, s.p_gamma), self._bias(image)
        )
        mean = image.mean((2, 3), keepdim=True)
        gain = 1 + _uniform(image, -s.contrast, s.contrast) * _choose_images(image, s.p_contrast)
        lift = _uniform(image, -s.brightness, s.brightness) * _choose_images(image, s.p_brightness)
        image = (image - mean) * gain + mean + lift
        image = _add_ghost(image, _uniform(image, 0, s.ghosting) * _choose_images(image, s.p_ghosting))
        image = _blur(image, _uniform(image, 0, s.blur) * _choose_images(image, s.p_blur))
        deviation = _uniform(image, 0, s.noise) * _choose_images(image, s.p_noise)
        return image + deviation * draw(torch.randn, *image.shape, device=image.device)

    def _bias(self, image: torch.Tensor) -> torch.Tensor:
        """A smooth field like a coil's: the exponential of a polynomial of second order in x and y."""
        x = torch.linspace(-1, 1, image.shape[2], device=image.device).view(1, 1, -1, 1)
        y = torch.linspace(-1, 1, image.shape[3], device=image.device).view(1, 1, 1, -1)
        logarithm = torch.zeros_like(image)
        for basis in (x, y, x * y, x * x - 1 / 3, y * y - 1 / 3):
            logarithm = logarithm + _uniform(image, -self.strength.bias, self.strength.bias) * basis
        return torch.exp(logarithm * _choose_images(image, self.strength.p_bias))


class CropBatch:
    """Cut a window of whole pixels from a random place of each slice, and change nothing else, as the 2017 study did.

    Args:
        size: (x, y) of the window, in pixels.

    Raises:
        ConfigError: a size that is not positive.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        if len(size) != 2 or min(size) < 1:
            raise ConfigError(f"`size` must be 2 positive counts, got {tuple(size)}")
        self.size = (int(size[0]), int(size[1]))

    def __call__(self, image: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Crop a batch: (N, C, X, Y) and (N, 1, X, Y) to (N, C, x, y) and (N, 1, x, y).

        Raises:
            ConfigError: the slices are smaller than the window.
        """
        if any(have < want for have, want in zip(image.shape[2:], self.size, strict=True)):
            raise ConfigError(f"a window of {self.size} needs slices as large, got {tuple(image.shape[2:])}")
        n_places = [have - want + 1 for have, want in zip(image.shape[2:], self.size, strict=True)]
        corners = draw(partial(_corners, n_places), len(image))
        crops = []
        for one, target, (x, y) in zip(image, label, corners.tolist(), strict=True):
            place = (slice(None), slice(x, x + self.size[0]), slice(y, y + self.size[1]))
            crops.append((one[place], target[place]))
        images, labels = zip(*crops, strict=True)
        return torch.stack(images), torch.stack(labels)


def _on_unit_range(image: torch.Tensor, gamma: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """Apply exponent and field to the slice's intensities stretched to 0 to 1, the range on which both are defined."""
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    span = (high - low).clamp_min(1e-6)
    return ((image - low) / span) ** gamma * field * span + low


def _add_ghost(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Add the copies that motion between phase-encoding lines leaves: displaced by half the field of view."""
    along_x, along_y = (image.roll(image.shape[axis] // 2, dims=axis) for axis in (2, 3))
    ghost = torch.where(_choose_images(image, 0.5) > 0, along_x, along_y)
    return (1 - weight) * image + weight * ghost


def _blur(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Sums of displaced copies, axis by axis: on a CPU several times as fast as a convolution of one channel."""
    soft = image
    for _ in range(2):
        padded = functional.pad(soft, (1, 1, 1, 1), mode="replicate")
        rows = (padded[:, :, :-2] + padded[:, :, 2:]) / 4 + padded[:, :, 1:-1] / 2
        soft = (rows[..., :-2] + rows[..., 2:]) / 4 + rows[..., 1:-1] / 2
    return torch.lerp(image, soft, weight)


def _quarter_turns(image: torch.Tensor, probability: float) -> torch.Tensor:
    """Angles in radians, (N): 1 to 3 times 90 degrees for the chosen samples, else 0."""
    quarters = draw(_quarters, image.shape[0], device=image.device)
    return quarters * _choose_images(image, probability).flatten() * (math.pi / 2)


def _quarters(n: int, *, device: torch.device) -> torch.Tensor:
    return torch.randint(1, 4, (n,), device=device)


def _corners(n_places: Sequence[int], n: int, **_: object) -> torch.Tensor:
    """A random first pixel of each axis for each sample, (n, axes)."""
    return torch.tensor([[int(torch.randint(places, ())) for places in n_places] for _ in range(n)])


def _uniform(image: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """One number a sample, (N, 1, 1, 1)."""
    return low + (high - low) * draw(torch.rand, image.shape[0], 1, 1, 1, device=image.device)


def _log_uniform(image: torch.Tensor, low: float, high: float) -> torch.Tensor:
    return torch.exp(_uniform(image, math.log(low), math.log(high)))


def _choose_images(image: torch.Tensor, probability: float) -> torch.Tensor:
    """1 for the samples that are changed, else 0; (N, 1, 1, 1)."""
    return (draw(torch.rand, image.shape[0], 1, 1, 1, device=image.device) < probability).to(image.dtype)
