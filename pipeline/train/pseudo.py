"""Pseudo-labelling: a network labels new images, and its most confident volumes train the next one (Lee 2013).

Lee: Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks, ICML Workshop on
Challenges in Representation Learning, 2013. A *volume* is one phase of one patient.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import ConfigError, DatasetError, GridError
from pipeline.core.labels import BACKGROUND, UNLABELLED
from pipeline.read.datalists.cases import DatalistEntry
from pipeline.write.nifti import write_label_map
from pipeline.write.tables import write_table

__all__ = [
    "MEASURES",
    "PseudoCase",
    "add_pseudo_cases",
    "certainty",
    "make_pseudo_case",
    "pseudo_labels",
    "surest",
    "write_pseudo_labels",
]

MEASURES = ("probability", "entropy")
"""Confidence at a pixel: the largest probability, or 1 - entropy / log C, which counts the other classes too."""

_TOLERANCE = 1e-2
"""By how much probabilities may miss 1 in sum: float16 and resampling cost a little, logits miss it by far."""


@dataclass(frozen=True, eq=False)
class PseudoCase:
    """A network's labels of an unlabelled image.

    Attributes:
        image: path of the image, file or folder.
        patient: name of the patient.
        phase: "ED", "ES" or "", as in a data list.
        affine: (4, 4), voxel index to RAS+ mm, the image's own.
        labels: (T, X, Y, Z) uint8, `UNLABELLED` where the network is not sure enough.
        certainties: of each phase, 0 to 1, see `certainty`.
    """

    image: str
    patient: str
    phase: str
    affine: np.ndarray
    labels: np.ndarray
    certainties: tuple[float, ...]


def certainty(probabilities: np.ndarray, *, measure: str = "probability", background: int | None = BACKGROUND) -> float:
    """How sure a network is of a volume: the mean over the pixels that it takes for foreground.

    The background, which is most of a volume and nearly always confident, would hide all differences.

    Args:
        probabilities: (C, X, Y, Z), sums over C are 1.
        measure: one of `MEASURES`.
        background: class that is left out (`None`: all pixels count).

    Returns:
        0 to 1, higher is more confident. 0 if no foreground is found, since nothing is known then.

    Raises:
        ConfigError: an unknown measure, or values that are no probabilities.
        GridError: not four axes, or fewer than two classes.

    >>> two_pixels = np.array([[0.9, 0.2], [0.1, 0.8]]).reshape(2, 2, 1, 1)
    >>> certainty(two_pixels), round(certainty(two_pixels, measure="entropy"), 3)
    (0.8, 0.278)
    """
    if measure not in MEASURES:
        raise ConfigError(f"`measure` must be one of {MEASURES}, got {measure!r}")
    _check(probabilities)
    pixels: np.ndarray = probabilities.reshape(len(probabilities), -1)
    if background is not None:
        pixels = pixels[:, pixels.argmax(axis=0) != background]
    if not pixels.size:
        return 0.0
    pixels = pixels.astype(np.float64)
    if measure == "probability":
        return float(pixels.max(axis=0).mean())
    logarithms = np.log(pixels, where=pixels > 0, out=np.zeros_like(pixels))
    return float(1.0 + (pixels * logarithms).sum(axis=0).mean() / np.log(len(pixels)))


def pseudo_labels(probabilities: np.ndarray, *, threshold: float = 0.0) -> np.ndarray:
    """The most likely class of each pixel whose probability reaches a threshold.

    Args:
        probabilities: (C, X, Y, Z), sums over C are 1.
        threshold: least probability of the class, 0 to 1.

    Returns:
        (X, Y, Z) uint8, `UNLABELLED` below the threshold. If classes tie, the lowest.

    Raises:
        ConfigError: a threshold out of range, or values that are no probabilities.
        GridError: not four axes, or fewer than two classes.

    >>> pseudo_labels(np.array([[0.9, 0.45], [0.1, 0.55]]).reshape(2, 2, 1, 1), threshold=0.6).flatten().tolist()
    [0, 255]
    """
    if not 0 <= threshold <= 1:
        raise ConfigError(f"`threshold` must be from 0 to 1, got {threshold}")
    _check(probabilities)
    labels = probabilities.argmax(axis=0).astype(np.uint8)
    labels[probabilities.max(axis=0) < threshold] = UNLABELLED
    return labels


def make_pseudo_case(
    probabilities: np.ndarray,
    case: DatalistEntry,
    *,
    affine: np.ndarray,
    threshold: float = 0.0,
    measure: str = "probability",
    background: int | None = BACKGROUND,
) -> PseudoCase:
    """Label one image and say how sure that is, phase by phase.

    Args:
        probabilities: (T, C, X, Y, Z) on the image's own grid.
        case: names the `image`, the `patient` and perhaps the `phase`.
        affine: (4, 4), voxel index to RAS+ mm, the image's own.
        threshold: see `pseudo_labels`.
        measure: see `certainty`.
        background: see `certainty`.

    Raises:
        ConfigError: an unknown measure, a threshold out of range, or values that are no probabilities.
        GridError: not five axes, no phase, or fewer than two classes.
    """
    if probabilities.ndim != 5 or not len(probabilities):
        raise GridError(f"probabilities of a case must be (T, C, X, Y, Z), got shape {probabilities.shape}")
    return PseudoCase(
        image=str(case["image"]),
        patient=str(case["patient"]),
        phase=str(case.get("phase") or ""),
        affine=affine,
        labels=np.stack([pseudo_labels(phase, threshold=threshold) for phase in probabilities]),
        certainties=tuple(certainty(phase, measure=measure, background=background) for phase in probabilities),
    )


def surest(certainties: Sequence[float], *, keep: float) -> list[int]:
    """Choose the surest volumes.

    Args:
        certainties: one a volume.
        keep: fraction of the volumes to keep, above 0 up to 1; rounded, and at least one.

    Returns:
        Their indices, rising. Of equals the first stay. Volumes of certainty 0 never do.

    Raises:
        ConfigError: a fraction out of range.

    >>> surest([0.7, 0.9, 0.0, 0.8], keep=0.5), surest([0.0, 0.6], keep=1.0)
    ([1, 3], [1])
    """
    if not 0 < keep <= 1:
        raise ConfigError(f"`keep` must be above 0 and at most 1, got {keep}")
    n_kept = max(1, round(keep * len(certainties)))
    order = sorted(range(len(certainties)), key=lambda index: -certainties[index])
    return sorted(index for index in order[:n_kept] if certainties[index] > 0)


def write_pseudo_labels(folder: str | Path, cases: Sequence[PseudoCase], *, keep: float = 0.5) -> Path:
    """Write the most confident volumes as a data set that `read.datasets.load_datalist` takes.

    They are chosen among the volumes of all cases. A case's label map is written if at least one of its phases is kept.
    The other phases are `UNLABELLED` throughout.

    Args:
        folder: receives `datalist.csv` (scheme `cmr`; `certainty` is the mean of the phases kept) and `labels/`; the
            images stay where they are.
        cases: what `make_pseudo_case` gives, with our label values.
        keep: see `surest`.

    Returns:
        The path of the list.

    Raises:
        ConfigError: a fraction out of range.
        DatasetError: no volume in which any structure was found.
    """
    folder = Path(folder)
    volumes = [(number, phase) for number, case in enumerate(cases) for phase in range(len(case.certainties))]
    kept: dict[int, list[int]] = {}
    for index in surest([cases[number].certainties[phase] for number, phase in volumes], keep=keep):
        number, phase = volumes[index]
        kept.setdefault(number, []).append(phase)
    if not kept:
        raise DatasetError(f"pseudo-labels need a volume with some structure, got none in {len(cases)} cases", folder)
    rows = [_write_case(folder, number, cases[number], phases) for number, phases in kept.items()]
    return write_table(folder / "datalist.csv", rows)


def add_pseudo_cases(
    split: tuple[Sequence[DatalistEntry], Sequence[DatalistEntry]], pseudo: Sequence[DatalistEntry]
) -> tuple[list[DatalistEntry], list[DatalistEntry]]:
    """Train on pseudo-labelled cases too, but for those of patients who are validated on.

    Args:
        split: training and validation cases, as `splits.split_patients` gives them.
        pseudo: cases to add.

    Returns:
        Training cases with those added, and the unchanged validation cases, which stay truly labelled and unseen.

    >>> train, validation = add_pseudo_cases(([{"patient": "a"}], [{"patient": "b"}]), [{"patient": p} for p in "bc"])
    >>> [case["patient"] for case in train], [case["patient"] for case in validation]
    (['a', 'c'], ['b'])
    """
    train, validation = split
    unseen = {case["patient"] for case in validation}
    return [*train, *(case for case in pseudo if case["patient"] not in unseen)], list(validation)


def _check(probabilities: np.ndarray) -> None:
    if probabilities.ndim != 4 or len(probabilities) < 2 or not probabilities.size:
        raise GridError(f"probabilities must be (C, X, Y, Z) with at least 2 classes, got shape {probabilities.shape}")
    low, sums = probabilities.min(), probabilities.sum(axis=0, dtype=np.float64)
    if not (low >= -_TOLERANCE and abs(sums - 1).max() <= _TOLERANCE):  # so put, NaN is refused as well
        raise ConfigError(
            f"probabilities must be 0 or more and sum to 1 over classes, got a least value of {low:.3g} and sums from "
            f"{sums.min():.3g} to {sums.max():.3g}; apply the softmax to logits first"
        )


def _write_case(folder: Path, number: int, case: PseudoCase, phases: Sequence[int]) -> dict[str, Any]:
    """Write one case's label map and return its row of the list."""
    labels = np.full_like(case.labels, UNLABELLED)
    labels[list(phases)] = case.labels[list(phases)]
    words = [re.sub(r"[^\w-]+", "-", word) for word in (case.patient, case.phase) if word]
    name = "_".join([f"{number:04d}", *words]) + ".nii.gz"
    write_label_map(folder / "labels" / name, labels, affine=case.affine)
    return {
        "image": str(Path(case.image).resolve()),
        "label": f"labels/{name}",
        "patient": case.patient,
        "phase": case.phase,
        "scheme": "cmr",
        "certainty": f"{np.mean([case.certainties[phase] for phase in phases]):.4f}",
    }
