"""A training planned from a data set's fingerprint, as nnU-Net does (Isensee et al., Nature Methods 18:203, 2021).

What differs from nnU-Net: the window follows the heart, not the image, because inference looks at the heart alone, and
the budget is a processor's rather than a graphics card's.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.core.errors import ConfigError
from pipeline.infer.heart import MARGIN_PIXELS
from pipeline.train.fingerprint import Fingerprint

__all__ = ["Plan", "make_plan", "read_plan", "write_plan"]

PIXELS_A_BATCH = 16 * 192 * 192
"""Pixels per training step, as in the shipped configurations."""
LARGEST_SHARE = 0.05
"""Largest share of the data set's slices in one batch, as in nnU-Net."""
BASE_CHANNELS, MOST_CHANNELS = 32, 512
LEAST_EDGE = 8
"""Least pixels along the deepest feature map. In nnU-Net it is 4, where a heart is one pixel."""
ANISOTROPY_OF_2D = 3.0
"""Ratio of slice distance to pixel size from which 2D suits better, as in nnU-Net."""


@dataclass(frozen=True)
class Plan:
    """Settings of a training, and why.

    Attributes:
        settings: id of a configuration's entry -> value.
        reasons: id -> one line that says where the value comes from.
    """

    settings: dict[str, Any]
    reasons: dict[str, str]


def make_plan(fingerprint: Fingerprint, *, training_mean: float | None = None) -> Plan:
    """Plan the training of a 2D U-Net.

    - Pixel: the data set's median, so that half of the images are refined and half are coarsened.
    - Window: the largest heart and `MARGIN_PIXELS` on each side, as inference wants it, no more than the median image,
      up to a multiple of the network's total stride. Without labels: the median image.
    - Depth: halve while the deepest feature map keeps `LEAST_EDGE` pixels. Channels double up to `MOST_CHANNELS`.
    - Batch: `PIXELS_A_BATCH`, at most `LARGEST_SHARE` of the slices, at least 2.

    Args:
        fingerprint: of the data set.
        training_mean: mean intensity of training images, to be subtracted as the 2017 study did. `None` keeps the
            normalisation of each cine by itself.

    Returns:
        The plan. If slices lie so close that 3D might be better, its reasons say so.
    """
    pixel = round(fingerprint.pixel_mm, 2)
    image_pixels = max(fingerprint.size_mm) / pixel
    heart = fingerprint.heart_mm
    wanted = image_pixels if heart is None else min(heart / pixel + 2 * MARGIN_PIXELS, image_pixels)
    n_halvings = max(1, int(math.log2(max(wanted, 2 * LEAST_EDGE) / LEAST_EDGE)))
    n_halvings = min(n_halvings, int(math.log2(MOST_CHANNELS / BASE_CHANNELS)) + 1)
    step = 2**n_halvings
    edge = step * math.ceil(wanted / step)
    bound = fingerprint.n_labelled_slices or fingerprint.n_images
    batch = max(2, min(PIXELS_A_BATCH // edge**2, int(LARGEST_SHARE * bound)))
    settings = {
        "spacing_mm": [pixel, pixel, -1],
        "window": [edge, edge],
        "batch_size": batch,
        "network_def#channels": [min(BASE_CHANNELS * 2**level, MOST_CHANNELS) for level in range(n_halvings + 1)],
        "network_def#strides": [2] * n_halvings,
    }
    size = "no labels: the median image" if heart is None else f"the largest heart, {heart:.0f} mm, with a margin"
    reasons = {
        "spacing_mm": f"median pixel in plane; slices stay as they are{_on_depth(fingerprint)}",
        "window": f"{size}, a multiple of {step}",
        "batch_size": f"about {PIXELS_A_BATCH} pixels a step, at most {LARGEST_SHARE:.0%} of {bound} slices",
        "network_def#channels": f"twice as many at each level, up to {MOST_CHANNELS}",
        "network_def#strides": f"{edge} pixels halved to {edge // step}",
    }
    if training_mean is not None:
        settings |= {"normalisation": "subtract_mean", "training_mean": round(training_mean, 3)}
        reasons |= {"normalisation": "that of the 2017 study", "training_mean": "of the training images' pixels"}
    return Plan(settings, reasons)


def write_plan(plan: Plan, fingerprint: Fingerprint, path: Path) -> Path:
    """Write a plan as YAML to read, change and give to `cmr train --plan`: each entry under the reason for it.

    Returns:
        `path`.
    """
    f = fingerprint
    lines = [
        f"# Planned from {f.n_images} images of {f.n_patients} patients, {f.n_labelled_slices} labelled slices:",
        f"# pixel {f.pixel_mm:.2f} mm, slice distance {f.slice_distance_mm:.1f} mm, "
        f"image {f.size_mm[0]:.0f} x {f.size_mm[1]:.0f} mm (medians).",
    ]
    for key, value in plan.settings.items():
        lines += ["", f"# {plan.reasons[key]}", f"{key}: {json.dumps(value)}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_plan(path: Path) -> dict[str, Any]:
    """Read a plan's entries back: id -> value.

    Raises:
        ConfigError: the file is missing, no YAML, or no mapping.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"a plan must be a YAML file as `cmr plan` writes it, got {path} ({error!r})") from error
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise ConfigError(
            f"a plan must map entries of the configuration to values, {path} holds {type(settings).__name__}"
        )
    return settings


def _on_depth(fingerprint: Fingerprint) -> str:
    if fingerprint.slice_distance_mm >= ANISOTROPY_OF_2D * fingerprint.pixel_mm:
        return ""
    return "; they lie so close that a 3D network might do better, which is not offered here"
