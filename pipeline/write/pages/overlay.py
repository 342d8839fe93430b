"""A picture of a segmentation: slices side by side with the structures' outlines."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.core.labels import STRUCTURES
from pipeline.write.pages.pictures import heart_window

__all__ = ["choose_slices", "comparison_picture", "write_overlay"]


def write_overlay(
    path: Path, image: np.ndarray, labels: np.ndarray, *, phases: Mapping[str, int], title: str = ""
) -> None:
    """Write a montage with a row per phase and a column per slice, cropped to the region around the heart.

    Args:
        path: PNG to write.
        image: (T, X, Y, Z) intensities.
        labels: (T, X, Y, Z) label map.
        phases: row title -> phase index, as `{"ED": 0, "ES": 4}`.
        title: heading ("not for diagnosis" is added).
    """
    slices = choose_slices(labels)
    window = heart_window(labels)
    figure = Figure(figsize=(1.9 * len(slices), 1.9 * len(phases) + 0.7), facecolor="black", layout="constrained")
    axes = figure.subplots(len(phases), len(slices), squeeze=False)
    for row, (name, phase) in zip(axes, phases.items(), strict=True):
        low, high = np.percentile(image[phase], (1, 99.5))
        for panel, k in zip(row, slices, strict=True):
            panel.imshow(image[phase, :, :, k][window].T, cmap="gray", vmin=low, vmax=high)
            _draw_outlines(panel, labels[phase, :, :, k][window].T)
            panel.set_title(f"{name}, slice {k + 1}", color="white", fontsize=8)
            panel.axis("off")
    colours = [Line2D([], [], color=_colour(s.rgb), label=s.short) for s in STRUCTURES]
    figure.legend(handles=colours, loc="outside lower center", ncols=3, frameon=False, labelcolor="white", fontsize=8)
    figure.suptitle(f"{title} (not for diagnosis)".strip(), color="white", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, facecolor="black")


def comparison_picture(image: np.ndarray, truth: np.ndarray, prediction: np.ndarray) -> bytes:
    """One slice three times, cut to the region around the heart: as it is, with the truth, with the prediction.

    Args:
        image: (X, Y) intensities.
        truth: (X, Y) label map.
        prediction: (X, Y) label map.

    Returns:
        A PNG.
    """
    window = heart_window(np.stack([truth, prediction])[..., None])
    figure = Figure(figsize=(7.2, 2.6), facecolor="black", layout="constrained")
    low, high = np.percentile(image, (1, 99.5))
    for panel, name, labels in zip(
        figure.subplots(1, 3), ("image", "truth", "prediction"), (None, truth, prediction), strict=True
    ):
        panel.imshow(image[window].T, cmap="gray", vmin=low, vmax=high)
        if labels is not None:
            _draw_outlines(panel, labels[window].T)
        panel.set_title(name, color="white", fontsize=9)
        panel.axis("off")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, facecolor="black", format="png")
    return buffer.getvalue()


def _draw_outlines(panel: Any, labels: np.ndarray) -> None:
    for structure in reversed(STRUCTURES):  # the cavity last, or the wall would hide its outline
        mask = labels == structure.value
        if mask.any() and not mask.all():
            panel.contour(mask, levels=[0.5], colors=[_colour(structure.rgb)], linewidths=1.0)


def choose_slices(labels: np.ndarray, most: int = 8) -> list[int]:
    """Slices with any structure in any phase, thinned evenly to at most `most`; all slices where there is none."""
    found = np.flatnonzero(labels.any(axis=(0, 1, 2)))
    candidates = found if found.size else np.arange(labels.shape[3])
    steps = np.linspace(0, candidates.size - 1, min(most, candidates.size)).round().astype(int)
    return [int(candidates[step]) for step in steps]


def _colour(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    return rgb[0] / 255, rgb[1] / 255, rgb[2] / 255
