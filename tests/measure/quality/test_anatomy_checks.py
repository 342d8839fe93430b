"""Each rule on a heart's shape: a healthy heart trips none, and a hand-made fault its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.core.measurements import Flag
from pipeline.measure.quality.anatomy_checks import (
    ANATOMY_RULES,
    border_mm,
    check_enclosure,
    check_gaps,
    check_holes,
    check_is_heart,
    check_pieces,
    check_present,
    check_sides,
    check_swapped,
)
from pipeline.measure.quality.heart import Heart
from pipeline.measure.quality.stack_checks import STACK_END_RULES, STACK_RULES
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.study import make_cine
from pipeline.read.cine import read_label
from pipeline.read.datasets import load_datalist

AFFINE = np.diag([-2.0, -2.0, 10.0, 1.0])  # rows to the left, columns to the back: the right ventricle at low X and Y


def _labels() -> np.ndarray:
    """30 x 30 x 5: cavity 6 x 6 in a wall of 10 x 10 in each slice, the right ventricle 5 x 10 beside it."""
    labels = np.zeros((30, 30, 5), dtype=np.uint8)
    labels[12:22, 12:22] = 2
    labels[14:20, 14:20] = 1
    labels[7:12, 12:22] = 3
    return labels


def _heart(labels: np.ndarray, affine: np.ndarray = AFFINE) -> Heart:
    return Heart(labels, Grid(labels.shape, affine), 4)


def _flag(rule: Callable[[Heart], Flag | None], labels: np.ndarray) -> Flag:
    """The rule's flag, which must be there, and be about the phase it was given."""
    flag = rule(_heart(labels))
    assert flag is not None
    assert flag.phase == 4
    return flag


@pytest.mark.parametrize("rule", ANATOMY_RULES)
def test_a_plain_heart_trips_nothing(rule: Callable[[Heart], Flag | None]) -> None:
    assert rule(_heart(_labels())) is None


@pytest.mark.parametrize("rule", [*ANATOMY_RULES, *STACK_RULES, *STACK_END_RULES])
@pytest.mark.parametrize("seed", [0, 3, 13])
def test_a_phantom_trips_nothing(rule: Callable[[Heart], Flag | None], seed: int) -> None:
    label = make_cine(make_patient(seed), n_phases=2, size=128).label
    assert [rule(Heart(labels, label.grid, 0)) for labels in label.array] == [None, None]


@pytest.mark.parametrize("rule", [*ANATOMY_RULES, *STACK_RULES, *STACK_END_RULES])
def test_experts_labels_of_healthy_hearts_trip_nothing(rule: Callable[[Heart], Flag | None], cmr_data: Path) -> None:
    for case in load_datalist(cmr_data / "acdc", layout="acdc"):
        if case["patient"] in ("patient061", "patient072"):
            label = read_label(case["label"], scheme=case["scheme"])
            assert rule(Heart(label.array[0], label.grid, 0)) is None


@pytest.mark.parametrize("rule", [*ANATOMY_RULES, *STACK_RULES, *STACK_END_RULES])
def test_on_nothing_only_presence_speaks(rule: Callable[[Heart], Flag | None]) -> None:
    assert (rule(_heart(np.zeros_like(_labels()))) is not None) == (rule is check_present)


def test_a_missing_structure() -> None:
    labels = _labels()
    labels[labels == 3] = 0
    flag = _flag(check_present, labels)
    assert (flag.rule, flag.severity) == ("missing_structure", "fail")
    assert "right ventricle" in flag.message
    assert "myocardium" not in flag.message


def test_no_heart() -> None:
    labels = _labels()
    labels[:, :, 1:][labels[:, :, 1:] == 2] = 0  # a ring in one slice
    flag = _flag(check_is_heart, labels)
    assert (flag.rule, flag.severity, flag.value) == ("not_a_heart", "fail", 1.0)
    labels[:, :, 1] = _labels()[:, :, 1]
    assert check_is_heart(_heart(labels)) is None


def test_gaps() -> None:
    labels = _labels()
    labels[:, :, 2][labels[:, :, 2] == 3] = 0
    labels[:, :, 3][labels[:, :, 3] == 1] = 0
    flag = _flag(check_gaps, labels)
    assert (flag.rule, flag.severity, flag.slice, flag.value) == ("slice_gap", "fail", 2, 2.0)
    assert flag.message == (
        "Missing between slices that show it: left ventricle and right ventricle (2 slices, first slice 3)."
    )
    labels = _labels()
    labels[:, :, [0, 4]] = 0  # beyond the ends nothing is missing
    assert check_gaps(_heart(labels)) is None


def test_a_piece_apart_from_the_heart() -> None:
    labels = _labels()  # 5 x 150 voxels
    labels[0:4, 0:4, 1] = 1
    flag = _flag(check_pieces, labels)
    assert (flag.rule, flag.severity, flag.slice) == ("extra_piece", "review", 1)
    assert flag.value == pytest.approx(16 / 766)
    labels[0:4, 0:6, :] = 1
    assert _flag(check_pieces, labels).severity == "fail"
    labels = _labels()
    labels[0, 0:5, 1] = 1  # below a hundredth
    assert check_pieces(_heart(labels)) is None


def test_a_structure_in_two_pieces_within_the_heart() -> None:
    labels = _labels()  # right ventricle: 5 x 50 voxels
    labels[22:24, 12:20, 3] = 3
    flag = _flag(check_pieces, labels)
    assert (flag.severity, flag.slice) == ("review", 3)
    assert flag.value == pytest.approx(16 / 250)
    assert "right ventricle" in flag.message


def test_holes() -> None:
    labels = _labels()
    labels[16, 16, 1] = 0
    assert check_holes(_heart(labels)) is None  # 4 mm2
    labels[16, 16:19, 3] = 0
    labels[9, 15:17, 3] = 0
    flag = _flag(check_holes, labels)
    assert (flag.rule, flag.severity, flag.slice) == ("hole", "review", 3)
    assert flag.value == pytest.approx(5 * 4.0)


def test_an_open_wall() -> None:
    labels = _labels()
    labels[20:22, 14:20, 2] = labels[12:14, 14:20, 2] = 0  # two of four sides, 24 mm
    flag = _flag(check_enclosure, labels)
    assert (flag.rule, flag.severity, flag.slice, flag.value) == ("open_wall", "review", 2, 0.5)
    labels = _labels()
    labels[20:22, 14:20, 0] = labels[12:14, 14:20, 0] = 0  # the base may be open, up to a half
    assert check_enclosure(_heart(labels)) is None
    labels[14:20, 12:14, 0] = 0
    assert _flag(check_enclosure, labels).threshold == 0.5
    labels = _labels()
    labels[20:22, 14:20, 2] = 0  # 12 mm
    assert check_enclosure(_heart(labels)) is None


def test_borders_count_lengths_and_the_pictures_edge() -> None:
    labels = np.zeros((4, 4, 2), dtype=np.uint8)
    labels[0, 1, 0] = 1  # edges: 1 beyond the picture (3 mm), 1 wall (3 mm), 1 wall (2 mm), 1 background (2 mm)
    labels[1, 1, 0] = labels[0, 0, 0] = 2
    whole, bare = border_mm(_heart(labels, np.diag([2.0, 3.0, 8.0, 1.0])), 1)
    assert whole.tolist() == [10, 0]
    assert bare.tolist() == [5, 0]


def test_swapped_ventricles() -> None:
    labels = _labels()
    left, right = labels == 1, labels == 3
    labels[left], labels[right] = 3, 1
    flag = _flag(check_swapped, labels)
    assert (flag.rule, flag.severity) == ("ventricles_swapped", "fail")
    assert flag.value == pytest.approx(20 / 30)
    assert flag.threshold == 0


def test_the_right_ventricle_on_the_wrong_side() -> None:
    flag = _flag(check_sides, _labels()[::-1, ::-1])
    assert (flag.rule, flag.severity) == ("right_ventricle_side", "review")
    turned = _heart(_labels()[::-1, ::-1], np.diag([2.0, 2.0, 10.0, 1.0]))  # stored the other way round
    assert check_sides(turned) is None
