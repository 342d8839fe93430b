"""Pseudo-labels: how sure, which are kept, and the data set that comes of them."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import ConfigError, DatasetError, GridError
from pipeline.core.labels import UNLABELLED
from pipeline.read.datasets import load_datalist
from pipeline.read.nifti import read_nifti
from pipeline.train.pseudo import (
    PseudoCase,
    add_pseudo_cases,
    certainty,
    make_pseudo_case,
    pseudo_labels,
    surest,
    write_pseudo_labels,
)
from pipeline.write.nifti import write_label_map

AFFINE = np.array([[-1.5, 0, 0, 12.0], [0, -1.25, 0, -7.0], [0, 0, 8.0, 30.0], [0, 0, 0, 1.0]])


def _volume(pixels: list[list[float]]) -> np.ndarray:
    """(C, X, 1, 1) from one list of class probabilities a pixel."""
    return np.array(pixels).T[:, :, None, None]


def test_certainty_by_hand() -> None:
    # foreground pixels 2 and 3; the background, however sure, is no matter
    volume = _volume([[0.99, 0.005, 0.005], [0.2, 0.7, 0.1], [0.0, 0.5, 0.5]])
    assert certainty(volume) == pytest.approx(0.6)
    entropies = [-(0.2 * math.log(0.2) + 0.7 * math.log(0.7) + 0.1 * math.log(0.1)), math.log(2)]
    assert certainty(volume, measure="entropy") == pytest.approx(1 - sum(entropies) / 2 / math.log(3))
    assert certainty(volume, background=None) == pytest.approx((0.99 + 0.7 + 0.5) / 3)
    assert certainty(volume, background=1) == pytest.approx(0.99)


@pytest.mark.parametrize("measure", ["probability", "entropy"])
def test_certainty_of_certainty_and_of_nothing(measure: str) -> None:
    assert certainty(_volume([[0.0, 1.0], [1.0, 0.0]]), measure=measure) == 1.0
    assert certainty(_volume([[0.9, 0.1]]), measure=measure) == 0.0


def test_labels_below_the_threshold_are_left_open() -> None:
    volume = _volume([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.0, 0.6, 0.4]])
    labels = pseudo_labels(volume, threshold=0.6)
    assert labels.shape == (3, 1, 1)
    assert labels.dtype == np.uint8
    assert labels.flatten().tolist() == [UNLABELLED, 2, 1]
    assert pseudo_labels(volume).flatten().tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    "volume", [_volume([[2.0, -1.0]]), _volume([[0.9, 0.9]]), _volume([[np.nan, 0.5]]), _volume([[4.0, 3.0]])]
)
def test_logits_and_the_like_are_refused(volume: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="sum to 1"):
        certainty(volume)
    with pytest.raises(ConfigError, match="sum to 1"):
        pseudo_labels(volume)


def test_half_precision_is_near_enough() -> None:
    volume = _volume([[1 / 3, 2 / 3], [0.1, 0.9]]).astype(np.float16)
    assert certainty(volume) == pytest.approx((2 / 3 + 0.9) / 2, abs=1e-3)


def test_shapes_and_settings_are_refused() -> None:
    with pytest.raises(GridError, match="at least 2 classes"):
        certainty(np.ones((1, 2, 2, 2)))
    with pytest.raises(GridError, match=r"\(C, X, Y, Z\)"):
        pseudo_labels(np.full((2, 2, 2), 0.5))
    with pytest.raises(GridError, match=r"\(T, C, X, Y, Z\)"):
        make_pseudo_case(np.full((2, 2, 2, 2), 0.5), {"image": "a", "patient": "b"}, affine=AFFINE)
    with pytest.raises(ConfigError, match="`measure`"):
        certainty(_volume([[0.1, 0.9]]), measure="margin")
    with pytest.raises(ConfigError, match="`threshold`"):
        pseudo_labels(_volume([[0.1, 0.9]]), threshold=1.5)


@pytest.mark.parametrize(
    ("certainties", "keep", "kept"),
    [
        ([0.1, 0.9, 0.5, 0.7], 0.5, [1, 3]),
        ([0.1, 0.9, 0.5, 0.7], 0.01, [1]),
        ([0.5, 0.5, 0.5], 0.67, [0, 1]),
        ([0.0, 0.4, 0.0], 1.0, [1]),
        ([], 0.5, []),
    ],
)
def test_the_surest_are_kept(certainties: list[float], keep: float, kept: list[int]) -> None:
    assert surest(certainties, keep=keep) == kept


@pytest.mark.parametrize("keep", [0.0, -0.1, 1.1])
def test_fractions_out_of_range_are_refused(keep: float) -> None:
    with pytest.raises(ConfigError, match="`keep`"):
        surest([0.5], keep=keep)


def _case(folder: Path, patient: str, foreground: list[float]) -> PseudoCase:
    """A cine of one phase a probability, whose two left pixels are foreground with it; the image is on disk."""
    probabilities = np.zeros((len(foreground), 2, 4, 3, 2))
    probabilities[:, 0] = 1.0
    for phase, p in zip(probabilities, foreground, strict=True):
        phase[0, :2], phase[1, :2] = 1 - p, p
    image = write_label_map(folder / f"{patient}.nii.gz", np.zeros((len(foreground), 4, 3, 2), np.uint8), affine=AFFINE)
    return make_pseudo_case(probabilities, {"image": str(image), "patient": patient}, affine=AFFINE, threshold=0.7)


def test_a_data_set_of_the_surest_phases(tmp_path: Path) -> None:
    cases = [
        _case(tmp_path, "sure", [0.95]),
        _case(tmp_path, "unsure", [0.6]),
        _case(tmp_path, "beating heart", [0.8, 0.55, 0.9]),
        _case(tmp_path, "empty", [0.1]),
    ]
    assert cases[2].certainties == pytest.approx((0.8, 0.55, 0.9))
    path = write_pseudo_labels(tmp_path / "pseudo", cases, keep=0.5)  # three of six phases
    listed = load_datalist(path)
    assert [(case["patient"], case["scheme"]) for case in listed] == [("beating heart", "cmr"), ("sure", "cmr")]
    assert [float(case["certainty"]) for case in listed] == pytest.approx([0.85, 0.95])
    assert [Path(case["image"]).name for case in listed] == ["beating heart.nii.gz", "sure.nii.gz"]
    beating, sure = (read_nifti(case["label"]) for case in listed)
    assert beating.array.shape == (3, 4, 3, 2)
    assert np.array_equal(beating.array[0], cases[2].labels[0])
    assert (beating.array[1] == UNLABELLED).all()
    assert np.unique(beating.array[2]).tolist() == [0, 1]
    assert sure.grid.matches(read_nifti(listed[1]["image"]).grid)
    assert sure.array.shape == read_nifti(listed[1]["image"]).array.shape


def test_pixels_below_the_threshold_stay_open_on_disk(tmp_path: Path) -> None:
    path = write_pseudo_labels(tmp_path, [_case(tmp_path, "unsure", [0.6])], keep=1.0)
    labels = read_nifti(load_datalist(path)[0]["label"]).array
    assert (labels[0, :2] == UNLABELLED).all()
    assert (labels[0, 2:] == 0).all()


def test_two_cases_of_one_patient_and_phase_do_not_meet(tmp_path: Path) -> None:
    cases = [_case(tmp_path, "a", [0.9]), _case(tmp_path, "a", [0.8])]
    path = write_pseudo_labels(tmp_path / "out", cases, keep=1.0)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["label"] for row in rows}) == 2
    assert all((path.parent / row["label"]).is_file() for row in rows)


def test_no_structure_anywhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="got none in 1 cases"):
        write_pseudo_labels(tmp_path, [_case(tmp_path, "empty", [0.2])], keep=1.0)


def test_patients_who_are_validated_on_are_not_trained_on() -> None:
    train, validation = [{"patient": "a"}], [{"patient": "b"}]
    pseudo = [{"patient": patient, "label": "p"} for patient in ("a", "b", "c")]
    joined, same = add_pseudo_cases((train, validation), pseudo)
    assert [case["patient"] for case in joined] == ["a", "a", "c"]
    assert same == validation
