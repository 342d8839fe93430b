"""Plots of an evaluation, as PNG bytes to put into a page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

__all__ = ["bland_altman_plot", "box_plot", "reliability_plot"]

_GREY, _BLUE, _RED = "#8a8f98", "#2f6fb3", "#b3402f"


def box_plot(groups: Mapping[str, Sequence[float]], *, ylabel: str) -> bytes:
    """Boxes (quartiles, whiskers to 1.5 times their distance) with every value as a dot.

    Args:
        groups: label below the box -> its values. NaN is left out.
        ylabel: name of the values, with the unit.

    Returns:
        A PNG.
    """
    figure = Figure(figsize=(1.0 + 0.95 * len(groups), 3.6), layout="constrained")
    axes = figure.subplots()
    values = [np.array([v for v in group if not np.isnan(v)]) for group in groups.values()]
    median = {"color": _RED, "linewidth": 1.5}
    axes.boxplot(values, tick_labels=list(groups), widths=0.5, showfliers=False, medianprops=median)
    for place, group in enumerate(values, start=1):
        spread = np.random.default_rng(0).uniform(-0.12, 0.12, group.size)
        axes.scatter(place + spread, group, s=9, alpha=0.5, color=_BLUE, linewidths=0)
    axes.set_ylabel(ylabel)
    axes.grid(axis="y", alpha=0.3)
    return _png(figure)


def bland_altman_plot(
    reference: Sequence[float], measured: Sequence[float], *, limits: tuple[float, float, float], title: str, unit: str
) -> bytes:
    """Differences over means (Bland and Altman, Lancet 327:307, 1986).

    Args:
        reference: the truth, one value a patient.
        measured: the predictions, as many.
        limits: (lower limit, bias, upper limit) of agreement, drawn as lines.
        title: the quantity.
        unit: its unit.

    Returns:
        A PNG.
    """
    true, found = np.asarray(reference, float), np.asarray(measured, float)
    figure = Figure(figsize=(3.9, 3.1), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=_GREY, linewidth=0.8)
    for value, style in zip(limits, ("--", "-", "--"), strict=True):
        axes.axhline(value, color=_RED, linestyle=style, linewidth=1.1)
        axes.annotate(
            f"{value:+.1f}",
            (1.0, value),
            xycoords=("axes fraction", "data"),
            xytext=(-3, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=_RED,
        )
    axes.scatter((true + found) / 2, found - true, s=14, color=_BLUE, alpha=0.75, linewidths=0)
    axes.margins(y=0.12)  # room for the limits' figures
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(f"mean of prediction and truth ({unit})", fontsize=8)
    axes.set_ylabel(f"prediction - truth ({unit})", fontsize=8)
    axes.tick_params(labelsize=8)
    return _png(figure)


def reliability_plot(
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], *, limits: Mapping[str, Sequence[float]]
) -> bytes:
    """Measured over expected Dice: each volume as a dot, and the mean of each tenth of them. Both agree on the line.

    Args:
        pairs: title of a panel -> expected and measured Dice of its volumes.
        limits: title -> expected Dice at which a verdict changes, drawn as upright lines.

    Returns:
        A PNG, panels side by side.
    """
    lowest = min(float(values.min()) for pair in pairs.values() for values in pair)
    ends = (np.floor(lowest * 20) / 20, 1.0)
    figure = Figure(figsize=(2.9 * len(pairs), 3.1), layout="constrained")
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, (title, (expected, measured)) in zip(panels, pairs.items(), strict=True):
        axes.plot(ends, ends, color=_GREY, linewidth=0.8)
        for limit in limits.get(title, ()):
            axes.axvline(limit, color=_RED, linestyle="--", linewidth=1.1)
        axes.scatter(expected, measured, s=10, color=_BLUE, alpha=0.5, linewidths=0)
        tenths = np.array_split(np.argsort(expected, kind="stable"), min(10, len(expected)))
        means = [[float(values[tenth].mean()) for tenth in tenths] for values in (expected, measured)]
        axes.plot(*means, color=_RED, marker="o", markersize=4, linewidth=1.1)
        axes.set(xlim=ends, ylim=ends, aspect="equal")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("expected Dice", fontsize=8)
        axes.set_ylabel("measured Dice", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()
