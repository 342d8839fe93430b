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


def _block(left: int, *, pixel_mm: tuple[float, float] = (2.0, 2.0)) -> Heart:
    """One slice of many alike: a square cavity of so many pixels in a wall 2 wide, room around it."""
    labels = np.zeros((left + 12, left + 12, 3), dtype=np.uint8)
    labels[4 : left + 8, 4 : left + 8] = 2
    labels[6 : left + 6, 6 : left + 6] = 1
    return Heart(labels, Grid(labels.shape, np.diag([-pixel_mm[0], -pixel_mm[1], 10.0, 1.0])), 4)


@pytest.mark.parametrize(
    ("absent", "words"),
    [
        ((3,), "right ventricle"),
        ((2, 3), "myocardium or right ventricle"),
        ((1, 2, 3), "left ventricle or myocardium or right ventricle"),
    ],
)
def test_what_is_missing_is_told_in_full(absent: tuple[int, ...], words: str) -> None:
    labels = np.where(np.isin(_labels(), absent), 0, _labels())
    assert check_present(_heart(labels)) == Flag("missing_structure", "fail", f"Nothing is labelled {words}.", 4)


def test_too_few_rings_are_told_in_full() -> None:
    labels = _labels()
    labels[:, :, 1:] = 0  # slices without a cavity are no rings
    assert check_is_heart(_heart(labels)) == Flag(
        "not_a_heart",
        "fail",
        "The left cavity lies in a ring of myocardium in 1 slice(s) only: it may be no left ventricle.",
        4,
        None,
        1.0,
        2.0,
    )


@pytest.mark.parametrize(("gap", "is_ring"), [(4, True), (5, False)])
def test_a_ring_may_lack_a_tenth(gap: int, is_ring: bool) -> None:
    """Of 40 pixels' edges."""
    heart = _block(10)
    heart.labels[4:6, 6 : 6 + gap] = 0
    assert (check_is_heart(heart) is None) is is_ring


def test_one_gap_is_told_in_full() -> None:
    labels = _labels()
    labels[:, :, 1:3][labels[:, :, 1:3] == 2] = 0
    assert check_gaps(_heart(labels)) == Flag(
        "slice_gap",
        "fail",
        "Missing between slices that show it: myocardium (2 slices, first slice 2).",
        4,
        1,
        2.0,
    )


@pytest.mark.parametrize(
    ("pixels", "severity"), [(10, None), (11, "review"), (110, "review"), (111, "fail")], ids=lambda one: f"{one}"
)
def test_the_limits_of_pieces_apart(pixels: int, severity: str | None) -> None:
    """Pieces of 10 in 1000 and of 110 in 1100: a hundredth and a tenth."""
    labels = np.zeros((40, 40, 3), dtype=np.uint8)
    labels[10:32, 10:25, :] = 1  # 990
    labels[0, :, 1][: min(pixels, 40)] = labels[1, :, 1][: max(0, min(pixels - 40, 40))] = 2
    labels[2, :, 1][: max(0, pixels - 80)] = 2
    flag = check_pieces(_heart(labels))
    expected = None
    if severity is not None:
        share = pixels / (990 + pixels)
        sentence = f"A piece apart from the heart holds {share:.0%} of what is labelled, slice 2."
        expected = Flag("extra_piece", severity, sentence, 4, 1, pytest.approx(share), 0.01)
    assert flag == expected


@pytest.mark.parametrize(("pixels", "flagged"), [(5, False), (6, True)])
def test_the_limit_of_a_structure_s_second_piece(pixels: int, flagged: bool) -> None:
    """A twentieth of 100 pixels in two slices."""
    labels = np.zeros((30, 30, 3), dtype=np.uint8)
    labels[10:20, 10:20] = 2
    labels[20:25, 10:20, :2] = 3
    labels[9, 10 : 10 + pixels, 1] = 3
    flag = check_pieces(_heart(labels))
    sentence = "The right ventricle lies in pieces, 6% apart from the largest, slice 2."
    assert flag == (Flag("extra_piece", "review", sentence, 4, 1, 0.06, 0.05) if flagged else None)


def test_single_pixels_are_pieces_and_corners_touch() -> None:
    labels = np.zeros((12, 12, 3), dtype=np.uint8)
    labels[4:8, 4:8] = 2
    labels[3, 3, 0] = 1  # corner to corner with the wall, and with the next slice's
    labels[2, 2, 1] = 1
    assert check_pieces(_heart(labels)) is None
    labels[8, 8, 1] = 1
    flag = check_pieces(_heart(labels))
    assert flag is not None
    assert flag.message == "The left ventricle lies in pieces, 50% apart from the largest, slice 2."
    labels[2, 2, 1] = 0
    flag = check_pieces(_heart(labels))
    assert flag is not None
    assert flag.value == 1.0


@pytest.mark.parametrize(("pixels", "area_mm2"), [(2, None), (3, 15.0)])
def test_the_limit_of_a_hole(pixels: int, area_mm2: float | None) -> None:
    """Pixels of 5 mm2 in a limit of 10; a right ventricle inside the left heart is no hole."""
    heart = _block(10, pixel_mm=(2.0, 2.5))
    heart.labels[8, 8 : 8 + pixels, 1] = 0
    heart.labels[12, 8:14, 2] = 3
    sentence = "A hole of 15 mm2 lies inside a structure (slice 2)."
    assert check_holes(heart) == (area_mm2 and Flag("hole", "review", sentence, 4, 1, area_mm2, 10.0))


def test_the_largest_of_several_holes_is_told() -> None:
    heart = _block(10)
    heart.labels[8, 8:11, 0] = heart.labels[8, 8:14, 2] = 0
    sentence = "A hole of 24 mm2 lies inside a structure (2 slices, first slice 1)."
    assert check_holes(heart) == Flag("hole", "review", sentence, 4, 2, 24.0, 10.0)


@pytest.mark.parametrize(("gap", "flagged"), [(10, False), (11, True)])
def test_an_opening_of_up_to_twenty_mm_is_left(gap: int, flagged: bool) -> None:
    """In pixels of 2 mm along a cavity of 80; the base, here the first of slices alike, is not touched."""
    heart = _block(10)
    heart.labels[4:6, 6:16, 1] = 0
    heart.labels[6 : 6 + gap - 10, 4:6, 1] = 0
    sentence = "No myocardium along 28% of the left cavity's border (slice 2)."
    assert check_enclosure(heart) == (Flag("open_wall", "review", sentence, 4, 1, 0.275, 0.1) if flagged else None)


@pytest.mark.parametrize(("gap", "flagged"), [(24, False), (25, True)])
def test_an_opening_of_a_tenth_is_left_however_long(gap: int, flagged: bool) -> None:
    """48 of 480 mm."""
    heart = _block(60)
    heart.labels[4:6, 6 : 6 + gap, 2] = 0
    assert (check_enclosure(heart) is not None) is flagged


def test_of_several_open_slices_the_one_farthest_beyond_its_limit_is_told() -> None:
    """The base, half open and a tenth more; the next slices, a half and three quarters."""
    heart = _block(10)
    labels = np.repeat(heart.labels[..., :1], 4, axis=2)
    labels[4:6, 6:16, :] = labels[16:18, 6:16, :] = 0
    labels[6:10, 4:6, 0] = 0
    labels[6:16, 4:6, 2] = 0
    sentence = "No myocardium along 75% of the left cavity's border (4 slices, first slice 1)."
    found = check_enclosure(Heart(labels, Grid(labels.shape, heart.grid.affine), 4))
    assert found == Flag("open_wall", "review", sentence, 4, 2, 0.75, 0.1)


def test_swapped_ventricles_are_told_in_full() -> None:
    """The left one's label, 5 x 10 pixels, touches the wall along 10 of 30 edges; the right one's along 18 of 24."""
    labels = np.array([0, 3, 2, 1], dtype=np.uint8)[_labels()]
    labels[20:22, 14:20] = 0
    sentence = (
        "Myocardium lies along 75% of the right ventricle's border and 33% of the left one's: they may be swapped."
    )
    expected = Flag("ventricles_swapped", "fail", sentence, 4, value=pytest.approx(2 / 3), threshold=0.25)
    assert check_swapped(_heart(labels)) == expected


def test_ventricles_without_any_wall_are_not_swapped() -> None:
    labels = _labels()
    labels[labels == 2] = 0
    assert check_swapped(_heart(labels)) is None  # both are bare all around


@pytest.mark.parametrize("absent", [1, 3])
@pytest.mark.parametrize("rule", [check_swapped, check_sides])
def test_one_ventricle_has_nothing_to_be_compared_with(rule: Callable[[Heart], Flag | None], absent: int) -> None:
    labels = np.where(_labels() == absent, 0, _labels())[::-1, ::-1]
    assert rule(_heart(labels)) is None


@pytest.mark.parametrize(("turn_deg", "flagged"), [(62.0, False), (63.0, True), (-152.0, False), (-153.0, True)])
def test_the_limit_of_the_right_ventricle_s_side(turn_deg: float, flagged: bool) -> None:
    """It lies to the patient's right, 45 degrees from right-anterior, and may be turned to 107.46 degrees from it."""
    angle = np.radians(-turn_deg)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    sentence = (
        "The right ventricle lies to the left or back of the left one: they are swapped, the picture is mirrored or "
        "its orientation lost, or the heart is on the right."
    )
    cosine = pytest.approx(np.cos(np.radians(45.0 + turn_deg)))
    expected = Flag("right_ventricle_side", "review", sentence, 4, value=cosine, threshold=-0.3)
    assert check_sides(_heart(_labels(), turn @ AFFINE)) == (expected if flagged else None)


def test_ventricles_about_one_middle_lie_on_no_side() -> None:
    labels = np.zeros((9, 9, 3), dtype=np.uint8)
    labels[1:8, 1:8], labels[3:6, 3:6] = 3, 1
    assert check_sides(_heart(labels)) is None


@pytest.mark.parametrize("place", [(0, 1), (3, 1), (1, 0), (1, 3)])
def test_the_picture_s_four_sides_are_borders(place: tuple[int, int]) -> None:
    """A pixel of 2 x 3 mm at a side, with wall at the opposite side, which it does not touch."""
    labels = np.zeros((4, 4, 1), dtype=np.uint8)
    labels[place] = 1
    opposite = tuple(3 - n if n in (0, 3) else n for n in place)
    labels[opposite] = 2
    whole, bare = border_mm(_heart(labels, np.diag([2.0, 3.0, 8.0, 1.0])), 1)
    assert (whole.tolist(), bare.tolist()) == ([10.0], [10.0])
