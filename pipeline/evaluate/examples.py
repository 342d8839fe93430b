"""Which volumes an evaluation shows, by rule and not by taste: the best, the median and the worst."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pipeline.core.labels import UNLABELLED, is_structure, members
from pipeline.read.cine import read_cine
from pipeline.write.pages.overlay import comparison_picture

__all__ = ["Example", "choose_examples", "draw_example", "take_example"]

Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class Example:
    """One slice of a volume. The image stays in its file until it is drawn.

    Attributes:
        image: path of the image.
        phase: index of the phase in it.
        slice_index: index of the slice.
        truth: (X, Y) uint8 label map.
        prediction: (X, Y) uint8.
    """

    image: str
    phase: int
    slice_index: int
    truth: np.ndarray
    prediction: np.ndarray


def take_example(image: str, phase: int, truth: np.ndarray, prediction: np.ndarray) -> Example:
    """The slice of a volume (X, Y, Z) in which truth and prediction disagree most, or in a tie the most labelled one.

    >>> truth, found = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    >>> truth[0, 0, :2], found[0, 0, 0] = 1, 1
    >>> take_example("a.nii.gz", 0, truth, found).slice_index
    1
    """
    labelled = truth != UNLABELLED
    shown = is_structure(truth)
    wrong = np.zeros(truth.shape, dtype=bool)
    for value in np.unique(truth[labelled]).tolist():  # a partial one is right with any of its members
        wrong |= (truth == value) & ~np.isin(prediction, members(value))
    place = int(np.lexsort((shown.sum(axis=(0, 1)), wrong.sum(axis=(0, 1))))[-1])
    plane = np.where(shown, truth, 0)[..., place]
    return Example(image, phase, place, plane.astype(np.uint8), prediction[..., place].astype(np.uint8))


def choose_examples(dice: Mapping[Key, float]) -> dict[str, Key]:
    """Choose the best, median and worst volume by mean Dice. NaN is ignored.

    >>> choose_examples({"a": 0.9, "b": 0.5, "c": 0.8, "d": float("nan")})
    {'best': 'a', 'median': 'c', 'worst': 'b'}
    >>> choose_examples({})
    {}
    """
    ranked = sorted((key for key, value in dice.items() if not np.isnan(value)), key=lambda key: -dice[key])
    if not ranked:
        return {}
    return {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}


def draw_example(example: Example) -> bytes:
    """PNG of image, truth and prediction side by side.

    Raises:
        InputError: the image can no longer be read.
    """
    image = read_cine(example.image).array[example.phase, :, :, example.slice_index]
    return comparison_picture(image, example.truth, example.prediction)
