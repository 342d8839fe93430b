"""Fully connected conditional random field (Kraehenbuehl and Koltun, NIPS 2011) by mean field, also as a layer."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from pipeline.core.errors import ConfigError, GridError
from pipeline.networks.layers.crf_kernels import BilateralKernel, PositionKernel

__all__ = ["CRFAsRNN", "DenseCRF"]


class DenseCRF(nn.Module):
    """Mean-field inference in a dense CRF over single-channel images: logits in, refined logits out.

    Every pixel is connected to every other by two Gaussian kernels, one of positions alone and one of positions and
    intensities (bilateral). Both are normalised symmetrically and exclude the pixel itself. The first is exact, the
    second approximated on a grid (see `BilateralKernel`): at 4 cells per sigma marginals are mostly within 0.01 of
    the definition, within 0.03 on pure noise. Time and memory grow with 1 / (sigma_xy^2 sigma_intensity).

    `trainable` makes it the layer of CRF-as-RNN (Zheng et al., ICCV 2015): a weight per kernel and class, and the
    compatibility of each pair of classes, are learned. Gradients reach logits and parameters, not the image.

    Args:
        n_classes: channels of the logits.
        n_iterations: mean-field steps.
        n_training_iterations: the same for a trainable field in training mode.
        position_weight: of the position kernel, at the start.
        position_sigma: its width, pixels.
        bilateral_weight: of the bilateral kernel, at the start.
        bilateral_sigma_xy: its width in the plane, pixels.
        bilateral_sigma_intensity: its width in intensity, on the scale 0 to 255.
        intensity_range: image values that count as 0 and 255, values outside are clipped. For z-scores for instance
            (-3, 5). None: the lowest and the highest value of each image.
        cells_per_sigma: cells of the grid that one sigma spans.
        trainable: learn the weights and the compatibility, which starts as Potts': 1 between classes, 0 within.

    Raises:
        ConfigError: a width or count that is not positive, or an empty range.
    """

    position_weight: torch.Tensor
    bilateral_weight: torch.Tensor
    compatibility: torch.Tensor

    def __init__(
        self,
        n_classes: int,
        *,
        n_iterations: int = 10,
        n_training_iterations: int = 5,
        position_weight: float = 3.0,
        position_sigma: float = 1.0,
        bilateral_weight: float = 4.0,
        bilateral_sigma_xy: float = 67.0,
        bilateral_sigma_intensity: float = 3.0,
        intensity_range: tuple[float, float] | None = (0.0, 255.0),
        cells_per_sigma: int = 4,
        trainable: bool = False,
    ) -> None:
        super().__init__()
        _check_settings(
            counts=(n_classes, n_iterations, n_training_iterations, cells_per_sigma),
            sigmas=(position_sigma, bilateral_sigma_xy, bilateral_sigma_intensity),
            intensity_range=intensity_range,
        )
        self.n_classes, self.n_iterations, self.n_training_iterations = n_classes, n_iterations, n_training_iterations
        self.position_kernel = partial(PositionKernel, sigma=position_sigma)
        self.bilateral_kernel = partial(
            BilateralKernel,
            sigma_xy=bilateral_sigma_xy,
            sigma_intensity=bilateral_sigma_intensity,
            cells_per_sigma=cells_per_sigma,
        )
        self.intensity_range = intensity_range
        self.trainable = trainable
        settings = {
            "position_weight": torch.full((n_classes,), float(position_weight)),
            "bilateral_weight": torch.full((n_classes,), float(bilateral_weight)),
            "compatibility": 1.0 - torch.eye(n_classes),
        }
        for name, value in settings.items():
            if trainable:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)

    def forward(self, logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Refine logits. Their softmax gives the marginals of the last mean-field step.

        Args:
            logits: (N, n_classes, X, Y), the negative unary energies.
            image: (N, 1, X, Y), on the scale that `intensity_range` names.

        Returns:
            (N, n_classes, X, Y) in single precision (double stays double), also under autocast.

        Raises:
            ConfigError: the logits have another number of classes.
            GridError: the image does not have one channel and the logits' size.
        """
        self._check(logits, image)
        with torch.autocast(logits.device.type, enabled=False):
            unary = logits if logits.dtype == torch.float64 else logits.float()
            intensity = self._intensity(image.detach().to(unary.dtype))
            position = self.position_kernel(unary)
            bilateral = self.bilateral_kernel(intensity)
            refined = unary
            for _ in range(self.n_training_iterations if self.training and self.trainable else self.n_iterations):
                marginals = torch.softmax(refined, dim=1)
                messages = self.position_weight[:, None, None] * position.messages(marginals)
                messages = messages + self.bilateral_weight[:, None, None] * bilateral.messages(marginals)
                refined = unary - torch.einsum("kl,nlxy->nkxy", self.compatibility, messages)
            return refined

    @torch.no_grad()
    def marginals(self, logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Probabilities (N, n_classes, X, Y) after refinement, for post-processing, see `forward`."""
        return torch.softmax(self(logits, image), dim=1)

    def _check(self, logits: torch.Tensor, image: torch.Tensor) -> None:
        if logits.ndim != 4 or logits.shape[1] != self.n_classes:
            raise ConfigError(f"this CRF needs logits (N, {self.n_classes}, X, Y), got shape {tuple(logits.shape)}")
        needed = (logits.shape[0], 1, *logits.shape[2:])
        if image.shape != needed:
            raise GridError(f"a CRF's image must have one channel and shape {needed}, got {tuple(image.shape)}")

    def _intensity(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 1, X, Y) -> (N, X, Y), 0 to 255. An image of one value gives zeros if its own range is used."""
        if self.intensity_range is None:
            low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
            return ((image - low) / torch.where(high > low, high - low, 1.0) * 255.0)[:, 0]
        bottom, top = self.intensity_range
        return ((image[:, 0] - bottom) / (top - bottom) * 255.0).clamp(0.0, 255.0)


class CRFAsRNN(nn.Module):
    """A network whose logits a CRF refines, trained end to end (Zheng et al., ICCV 2015).

    Args:
        network: (N, C, X, Y) -> logits (N, n_classes, X, Y), or in training mode maybe a tuple, main logits first.
        crf: usually `trainable`. Its `intensity_range` must suit the network's input.
        image_channel: channel of the input that the CRF uses.
    """

    def __init__(self, network: nn.Module, crf: DenseCRF, *, image_channel: int = 0) -> None:
        super().__init__()
        self.network, self.crf, self.image_channel = network, crf, image_channel

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """(N, C, X, Y) -> refined logits. Auxiliary logits follow in a tuple, if the network gives them."""
        found = self.network(x)
        image = x[:, self.image_channel, None]
        if isinstance(found, torch.Tensor):
            refined: torch.Tensor = self.crf(found, image)
            return refined
        return (self.crf(found[0], image), *found[1:])


def _check_settings(
    *, counts: tuple[int, ...], sigmas: tuple[float, ...], intensity_range: tuple[float, float] | None
) -> None:
    if min(counts) < 1 or min(sigmas) <= 0:
        raise ConfigError(
            f"a CRF's classes, iterations and cells must be at least 1, its sigmas positive, got {counts} and {sigmas}"
        )
    if intensity_range is not None and not intensity_range[0] < intensity_range[1]:
        raise ConfigError(f"a CRF's `intensity_range` must be a low and a higher value, got {intensity_range}")
