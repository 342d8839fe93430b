"""Wall thickness by segment: a heart of known walls however the stack lies, the phantom's truth, real hearts."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import Grid, flip_ras_lps
from pipeline.core.wall import Segment, Wall
from pipeline.measure.wall.aha import SEGMENTS, level_of
from pipeline.measure.wall.thickness import measure_wall
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.cine import read_label

TO_BASE = np.array([-0.60, 0.58, 0.55]) / np.linalg.norm([-0.60, 0.58, 0.55])
SEPTAL = np.array([-0.7, -0.7, 0.0]) - TO_BASE * (np.array([-0.7, -0.7, 0.0]) @ TO_BASE)
SEPTAL /= np.linalg.norm(SEPTAL)
ANTERIOR = np.cross(TO_BASE, SEPTAL)  # LPS, as all three: to the patient's left, front and head
EPI_MM, RIGHT_MM, OFFSET_MM = 32.0, 30.0, 27.0
INSERTION = np.degrees(np.arccos((EPI_MM**2 + OFFSET_MM**2 - RIGHT_MM**2) / (2 * EPI_MM * OFFSET_MM)))


def _wall_mm(turn_deg: np.ndarray) -> np.ndarray:
    """Thickness at an angle from the anterior insertion through the septum; no two segments alike, nor mirrored."""
    turn = np.radians(turn_deg)
    return 10.0 + 1.5 * np.sin(2 * (turn - 0.35)) + 1.5 * np.sin(3 * (turn - 0.87))


def _heart(affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """One heart in the patient's space, 80 mm long and narrowing to 3/4 at the apex, as a grid's voxels see it."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    lps = index @ flip_ras_lps(affine)[:3, :3].T + flip_ras_lps(affine)[:3, 3]
    up, septal, anterior = (lps @ axis for axis in (TO_BASE, SEPTAL, ANTERIOR))
    size = 0.75 + 0.25 * (up + 40.0) / 80.0
    radius = np.hypot(septal, anterior) / size
    turn = INSERTION - np.degrees(np.arctan2(anterior, septal))
    labels = np.where(np.hypot(septal / size - OFFSET_MM, anterior / size) < RIGHT_MM, 3, 0)
    labels[radius < EPI_MM] = 2
    labels[radius < EPI_MM - _wall_mm(turn)] = 1
    labels[np.abs(up) > 40.0] = 0
    return labels.astype(np.uint8)


def _grid(
    turn_deg: float = 0.0, *, mirrored: bool = False, reversed_order: bool = False, pixel: tuple[float, float] = (1, 1)
) -> Grid:
    """A stack of 8 slices across the heart, the picture turned about its middle."""
    angle = np.radians(turn_deg)
    right, down = -SEPTAL, -ANTERIOR
    axes = np.stack(
        [
            (np.cos(angle) * right + np.sin(angle) * down) * pixel[0],
            (np.cos(angle) * down - np.sin(angle) * right) * pixel[1] * (-1 if mirrored else 1),
            TO_BASE * (-10.0 if reversed_order else 10.0),
        ],
        axis=1,
    )
    shape = (round(140 / pixel[0]), round(140 / pixel[1]), 8)
    lps = np.eye(4)
    lps[:3, :3] = axes
    lps[:3, 3] = -axes @ ((np.array(shape) - 1) / 2)
    return Grid(shape, flip_ras_lps(lps))


STACKS = {
    "upright": _grid(),
    "turned a little": _grid(40.0),
    "on its side": _grid(-100.0),
    "upside down": _grid(175.0),
    "mirrored": _grid(mirrored=True),
    "base first": _grid(reversed_order=True),
    "all at once": _grid(130.0, mirrored=True, reversed_order=True),
    "oblong pixels": _grid(25.0, pixel=(1.0, 1.6)),
}


def _measure(grid: Grid, affine: np.ndarray | None = None) -> Wall:
    labels = _heart(grid.affine, grid.shape)
    return measure_wall(np.stack([labels, labels]), grid if affine is None else Grid(grid.shape, affine), ed=0, es=1)


def _expected(number: int) -> float:
    """Mean of `_wall_mm` over a segment's arc, times the heart's size in its third: slices 5 to 75 mm from the base."""
    places = {0: (0, 1, 2), 1: (3, 4), 2: (5, 6, 7)}[0 if number < 7 else 1 if number < 13 else 2]
    size = np.mean([1.0 - 0.25 * (5.0 + 10.0 * place) / 80.0 for place in places])
    start, width = (60.0 * ((number - 2) % 6), 60.0) if number < 13 else (15.0 + 90.0 * (number - 14), 90.0)
    return float(size * _wall_mm(start + np.arange(0.5, width)).mean())


@pytest.mark.parametrize("stack", STACKS)
def test_every_segment_is_found_however_the_stack_lies(stack: str) -> None:
    wall = _measure(STACKS[stack])
    found = [s.ed_mm for s in wall.segments[:16]]
    assert found == pytest.approx([_expected(number) for number in range(1, 17)], abs=0.5)
    assert np.ptp(found[:6]) > 3.0  # so that no exchange of segments could pass
    assert wall.segments[16] == type(wall.segments[16])(17, "apex")
    assert {s.thickening_percent for s in wall.segments[:16]} == {0.0}
    assert wall.notes == ("the apex (segment 17) is not measured in short-axis slices",)


def test_a_header_that_runs_the_wrong_way_is_doubted() -> None:
    """As in ACDC, whose files claim that slices go to the head: which they do to the feet."""
    grid = _grid()
    wall = _measure(grid, grid.affine @ np.diag([1.0, 1.0, -1.0, 1.0]))
    assert [s.ed_mm for s in wall.segments] == [s.ed_mm for s in _measure(grid).segments]
    assert "anterior and inferior are exchanged" in wall.notes[-1]


def _thirds(study: PhantomStudy, walls_mm: tuple[float, ...]) -> np.ndarray:
    """Mean of the exact thickness over the slices of each third with a ventricle at that phase."""
    at_ed = [z for z in range(study.label.n_slices) if study.truth.wall_mm[0][z] > 0][::-1]
    levels = np.array([level_of(place, len(at_ed)) for place in range(len(at_ed))])
    known = np.array([walls_mm[z] for z in at_ed])
    return np.array([known[(levels == level) & (known > 0)].mean() for level in range(3)])


@pytest.mark.parametrize("seed", range(4))
def test_the_phantom_s_wall(seed: int) -> None:
    study = make_cine(make_patient(seed), n_phases=8, size=200, pixel_mm=1.4)
    truth = study.truth
    wall = measure_wall(study.label.array, study.label.grid, ed=truth.ed_phase, es=truth.es_phase)
    for key, walls_mm in zip(("ed_mm", "es_mm"), truth.wall_mm, strict=True):
        found = np.array([getattr(s, key) for s in wall.segments[:16]])
        means = [found[:6].mean(), found[6:12].mean(), found[12:].mean()]
        assert means == pytest.approx(_thirds(study, walls_mm), abs=0.15)  # a ninth of a pixel
        assert np.abs(found - np.repeat(means, (6, 6, 4))).max() < 0.4
    thicker = [s.thickening_percent for s in wall.segments[:16]]
    ratio = np.array(truth.wall_mm[1])[-3] / np.array(truth.wall_mm[0])[-3]
    assert np.mean(thicker) == pytest.approx(100.0 * (ratio - 1.0), abs=6.0)


def test_an_open_wall_is_left_out_and_said() -> None:
    grid = _grid()
    labels = np.stack([_heart(grid.affine, grid.shape)] * 2)
    labels[0, 70:, 60:80, 7][labels[0, 70:, 60:80, 7] == 2] = 0
    wall = measure_wall(labels, grid, ed=0, es=1)
    assert wall.notes[1:] == ("ED: slice 8 left out, the wall is not closed around the cavity",)
    assert wall.segments[0].ed_mm < wall.segments[0].es_mm  # the basal slice is the widest
    labels[1, :, :, 7] = 0  # the base has come down: no cavity there to speak of
    assert measure_wall(labels, grid, ed=0, es=1).notes == wall.notes


def test_thirds_are_those_of_end_diastole() -> None:
    grid = _grid()
    labels = np.stack([_heart(grid.affine, grid.shape)] * 2)
    labels[1, :, :, 5:] = 0
    wall = measure_wall(labels, grid, ed=0, es=1)
    assert [s.es_mm for s in wall.segments[:6]] == [None] * 6
    assert [s.thickening_percent for s in wall.segments] == [None] * 6 + [0.0] * 10 + [None]


def test_slices_without_a_right_ventricle_take_their_neighbour_s_angle() -> None:
    grid = _grid(reversed_order=True)
    labels = np.stack([_heart(grid.affine, grid.shape)] * 2)
    labels[:, :, :, 4:][labels[:, :, :, 4:] == 3] = 0
    found = [s.ed_mm for s in measure_wall(labels, grid, ed=0, es=1).segments[12:16]]
    assert found == pytest.approx([_expected(number) for number in range(13, 17)], abs=0.5)


def test_where_nothing_can_be_measured_a_note_says_why() -> None:
    grid = _grid()
    heart = _heart(grid.affine, grid.shape)
    across = grid.affine.copy()
    across[:3, :3] = grid.affine[:3, [2, 1, 0]]
    for labels, header, word in (
        (np.zeros_like(heart), grid.affine, "got 0"),
        (np.where(np.arange(8) < 2, heart, 0), grid.affine, "got 2"),
        (np.where(heart == 3, 0, heart), grid.affine, "no right ventricle"),
        (np.where(heart == 2, 0, heart), grid.affine, "no ring of wall"),
        (heart, across, "usual axis"),
    ):
        wall = measure_wall(np.stack([labels, labels]), Grid(grid.shape, header), ed=0, es=1)
        assert {(s.ed_mm, s.es_mm, s.thickening_percent) for s in wall.segments} == {(None, None, None)}
        assert word in wall.notes[1]


def test_a_thick_heart_and_a_healthy_one(cmr_data) -> None:
    """ACDC's patient021 is in the group with hypertrophy, which begins at 15 mm; patient061 is healthy."""
    thickest = {}
    for patient, frames in (("patient021", (1, 13)), ("patient061", (1, 10))):
        files = [cmr_data / "acdc" / patient / f"{patient}_frame{frame:02d}_gt.nii.gz" for frame in frames]
        at_ed, at_es = (read_label(file, scheme="acdc") for file in files)
        wall = measure_wall(np.concatenate([at_ed.array, at_es.array]), at_ed.grid, ed=0, es=1)
        assert "its axes are wrong" in wall.notes[-1]
        assert all(s.thickening_percent > 0 for s in wall.segments[:6])
        thickest[patient] = max(s.ed_mm for s in wall.segments[:16])
    assert thickest["patient061"] < 12.0 < 15.0 < thickest["patient021"]


@pytest.mark.parametrize("stack", ["upright", "base first"])
def test_a_sliver_at_the_base_is_no_apex(stack: str) -> None:
    grid = STACKS[stack]
    labels = _heart(grid.affine, grid.shape)
    base = 7 if stack == "upright" else 0
    labels[:, :, base] = 0
    labels[68:70, 65:70, base] = 1
    wall = measure_wall(np.stack([labels, labels]), grid, ed=0, es=1)
    assert not any("header" in note for note in wall.notes)
    found = [s.ed_mm for s in wall.segments[12:16]]
    assert found == pytest.approx([_expected(number) for number in range(13, 17)], abs=0.5)


NO_APEX = "the apex (segment 17) is not measured in short-axis slices"


def _pair(grid: Grid) -> np.ndarray:
    """The heart twice over, end-diastole and end-systole alike."""
    return np.stack([_heart(grid.affine, grid.shape)] * 2)


@pytest.mark.parametrize(("phase", "name"), [(0, "ED"), (1, "ES")])
@pytest.mark.parametrize(
    ("value", "where", "cause"),
    [
        (2, np.s_[70:, 60:80], "no ring of wall around the cavity"),  # open opposite to the right ventricle
        (2, np.s_[:, :], "no ring of wall around the cavity"),  # none at all
        (3, np.s_[:, :], "no right ventricle beside the left one"),
    ],
)
def test_why_one_phase_is_not_measured_is_told(phase: int, name: str, value: int, where, cause: str) -> None:
    grid = _grid()
    labels = _pair(grid)
    labels[phase][where][labels[phase][where] == value] = 0
    wall = measure_wall(labels, grid, ed=0, es=1)
    assert wall.notes == (NO_APEX, f"{name}: not measured, {cause}")
    measured = [(s.ed_mm is not None, s.es_mm is not None) for s in wall.segments[:16]]
    assert measured == [(phase == 1, phase == 0)] * 16
    assert {s.thickening_percent for s in wall.segments} == {None}


@pytest.mark.parametrize("n_slices", [0, 2])
def test_too_few_slices_are_told_in_full(n_slices: int) -> None:
    grid = _grid()
    labels = np.where(np.arange(8) < n_slices, _pair(grid), 0)
    wall = measure_wall(labels, grid, ed=0, es=1)
    cause = f"thirds from base to apex need at least 3 slices with left cavity, got {n_slices}"
    assert wall == Wall(tuple(Segment(n, name) for n, name in enumerate(SEGMENTS, start=1)), (NO_APEX, cause))


def test_both_phases_open_slices_and_a_doubted_header_are_told_in_order() -> None:
    grid = _grid()
    labels = _pair(grid)
    labels[0, 70:, 60:80, [2, 4]] = 0
    labels[1, 70:, 60:80, 7] = 0
    wall = measure_wall(labels, Grid(grid.shape, grid.affine @ np.diag([1.0, 1.0, -1.0, 1.0])), ed=0, es=1)
    assert wall.notes[:3] == (
        NO_APEX,
        "ED: slices 3, 5 left out, the wall is not closed around the cavity",
        "ES: slice 8 left out, the wall is not closed around the cavity",
    )
    (doubt,) = wall.notes[3:]
    assert doubt.startswith("by the header the ventricle narrows towards the base")


def test_millimetres_have_two_decimals_and_per_cents_one() -> None:
    grid = _grid()
    labels = _pair(grid)
    labels[1] = np.roll(labels[1], 1, axis=-1)  # each slice as thick as its neighbour: thinner or thicker by a little
    labels[1, :, :, 0] = labels[0, :, :, 0]
    segments = measure_wall(labels, grid, ed=0, es=1).segments[:16]
    for values, digits in (
        ([s.ed_mm for s in segments], 2),
        ([s.es_mm for s in segments], 2),
        ([s.thickening_percent for s in segments], 1),
    ):
        assert values == [round(value, digits) for value in values]
        assert values != [round(value, digits - 1) for value in values]
    for s in segments:
        assert s.thickening_percent == pytest.approx(100.0 * (s.es_mm / s.ed_mm - 1.0), abs=0.15)


def test_a_wall_thinner_than_a_millimetre_thickens_too() -> None:
    """The same heart at a twentieth of its size, as a mouse's."""
    grid = _grid()
    small = Grid(grid.shape, grid.affine @ np.diag([0.05, 0.05, 0.05, 1.0]))
    found, large = (measure_wall(_pair(grid), one, ed=0, es=1).segments[:16] for one in (small, grid))
    assert [s.ed_mm for s in found] == pytest.approx([s.ed_mm / 20.0 for s in large], abs=0.006)
    assert max(s.ed_mm for s in found) < 1.0
    assert {s.thickening_percent for s in found} == {0.0}


def test_a_slice_without_a_right_ventricle_takes_the_angle_of_the_nearest_one() -> None:
    """The apical half is turned by 60 degrees about the ventricle's middle, as its segments then are."""
    grid = _grid(reversed_order=True)  # base first
    turned = _pair(_grid(60.0, reversed_order=True))
    labels = _pair(grid)
    labels[..., 4:] = turned[..., 4:]
    expected = [s.ed_mm for s in measure_wall(labels, grid, ed=0, es=1).segments]
    labels[..., (0, 1, 6, 7)] = np.where(labels[..., (0, 1, 6, 7)] == 3, 0, labels[..., (0, 1, 6, 7)])
    found = [s.ed_mm for s in measure_wall(labels, grid, ed=0, es=1).segments]
    assert found[:16] == pytest.approx(expected[:16], abs=0.1)
