"""Motion of the wall: the phantom's truth in closed form, a heart drawn by hand, what cannot be measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.geometry import Grid, flip_ras_lps
from pipeline.core.wall import Curve, Motion, SegmentMotion
from pipeline.measure.phases import Phases
from pipeline.measure.volume_curve import make_beat
from pipeline.measure.wall.aha import LEVELS, SEGMENTS, level_of
from pipeline.measure.wall.motion import measure_motion
from pipeline.phantom.anatomy import Section, make_patient, section
from pipeline.phantom.study import PhantomStudy, make_cine

TO_BASE = np.array([-0.60, 0.58, 0.55]) / np.linalg.norm([-0.60, 0.58, 0.55])
SEPTAL = np.array([-0.7, -0.7, 0.0]) - TO_BASE * (np.array([-0.7, -0.7, 0.0]) @ TO_BASE)
SEPTAL /= np.linalg.norm(SEPTAL)
AXES = np.stack([-SEPTAL, -np.cross(TO_BASE, SEPTAL), 10.0 * TO_BASE], axis=1)  # right, down, towards the base
SIZE, N_SLICES = 120, 6
LPS = np.eye(4)
LPS[:3, :3], LPS[:3, 3] = AXES, -AXES @ [SIZE / 2 - 0.5, SIZE / 2 - 0.5, 2.5]
GRID = Grid((SIZE, SIZE, N_SLICES), flip_ras_lps(LPS))
X, Y = np.meshgrid(np.arange(SIZE) - SIZE / 2 + 0.5, np.arange(SIZE) - SIZE / 2 + 0.5, indexing="ij")
EPI_MM, RIGHT_MM, OFFSET_MM = 40.0, 36.0, 36.0
INSERTION_DEG = 180.0 + np.degrees(np.arccos((EPI_MM**2 + OFFSET_MM**2 - RIGHT_MM**2) / (2 * EPI_MM * OFFSET_MM)))
TURN_DEG = (INSERTION_DEG - np.degrees(np.arctan2(Y, X))) % 360.0  # from the anterior insertion through the septum
PAIR = Phases("few_phases", 0, 1)


def _draw(endo_mm: float | np.ndarray, *, epi_mm: float = EPI_MM) -> np.ndarray:
    """A slice: a wall between a cavity of this radius and a circle, the right ventricle to its left."""
    labels = np.where(np.hypot(X + OFFSET_MM, Y) < RIGHT_MM, 3, 0)
    labels[np.hypot(X, Y) < epi_mm] = 2
    labels[np.hypot(X, Y) < endo_mm] = 1
    return labels.astype(np.uint8)


def _beat(radii_mm: list[float | np.ndarray]) -> np.ndarray:
    """The same slice six times over, at each phase with another cavity."""
    return np.stack([np.repeat(_draw(radius)[..., None], N_SLICES, axis=2) for radius in radii_mm])


def _measure(labels: np.ndarray, phases: Phases = PAIR, times_ms: list[float] | None = None) -> Motion:
    return measure_motion(labels, GRID, phases=phases, beat=make_beat(len(labels), times_ms=times_ms))


def _true(study: PhantomStudy, slices: tuple[int, ...], ed: int) -> dict[str, np.ndarray]:
    """Displacement, thickening and strain over the beat in some slices, from the circles' own radii."""
    n = study.label.n_phases
    depths = [(study.label.n_slices - 1.5 - z) * study.label.grid.spacing_mm[2] for z in slices]
    beat = [[section(study.patient, depth_mm=depth, time=t / n) for depth in depths] for t in range(n)]

    def mean(of: str) -> np.ndarray:
        radii = {"midline": lambda s: (s.cavity_mm + s.epicardium_mm) / 2, "cavity": lambda s: s.cavity_mm}
        measure = radii.get(of, Section.wall_mm.fget)
        return np.array([np.mean([measure(s) for s in row]) for row in beat])

    cavity, wall, midline = mean("cavity"), mean("wall"), mean("midline")
    return {
        "displacement_mm": cavity[ed] - cavity,
        "thickening_percent": 100.0 * (wall / wall[ed] - 1.0),
        "strain_percent": 100.0 * (midline / midline[ed] - 1.0),
    }


@pytest.mark.parametrize("seed", range(4))
def test_the_phantom_s_motion_over_the_beat(seed: int) -> None:
    study = make_cine(make_patient(seed), n_phases=12, size=200, pixel_mm=1.4, step_mm=9.0)
    ed, es = study.truth.ed_phase, study.truth.es_phase
    beat = make_beat(12, times_ms=study.label.times_ms, heart_rate_bpm=study.patient.heart_rate_bpm)
    motion = measure_motion(study.label.array, study.label.grid, phases=Phases("cine", ed, es), beat=beat)
    whole = motion.strain_percent["global"]
    truth = _true(study, motion.slices, ed)["strain_percent"]
    np.testing.assert_allclose(whole.values, truth, atol=0.25)
    assert (whole.peak_phase, whole.peak) == (es, whole.values[es])
    assert whole.time_to_peak_ms == pytest.approx(study.label.times_ms[es] - study.label.times_ms[ed], abs=0.1)
    at_ed = [z for z in range(study.label.n_slices) if study.truth.wall_mm[0][z] > 0][::-1]
    for level, name in enumerate(LEVELS):
        slices = tuple(z for z in motion.slices if level_of(at_ed.index(z), len(at_ed)) == level)
        true = _true(study, slices, ed)
        np.testing.assert_allclose(motion.strain_percent[name].values, true["strain_percent"], atol=0.5)
        segments = [motion.segments[n] for n in range(6 * level, 16 if level == 2 else 6 * level + 6)]
        for key, whole_atol, each_atol in (
            ("displacement_mm", 0.15, 0.5),  # a ninth, and a third, of a pixel
            ("thickening_percent", 5.0, 8.0),
            ("strain_percent", 0.5, 1.2),
        ):
            curves = np.array([getattr(segment, key).values for segment in segments])
            np.testing.assert_allclose(curves.mean(axis=0), true[key], atol=whole_atol)
            np.testing.assert_allclose(curves, np.tile(true[key], (len(segments), 1)), atol=each_atol)


def test_circles_by_hand() -> None:
    """A cavity of 30 mm that becomes 22.5 mm within the same epi of 40: midlines of 35 and 31.25 mm."""
    motion = _measure(_beat([30.0, 22.5]))
    assert motion.slices == (5, 4, 3, 2, 1, 0)  # from the base, where the stack ends
    assert set(motion.strain_percent) == {"global", *LEVELS}
    for curve in motion.strain_percent.values():
        assert curve.values[0] == 0.0
        assert curve.at_es == pytest.approx(100.0 * (31.25 / 35.0 - 1.0), abs=0.15)
    for segment in motion.segments[:16]:
        assert segment.displacement_mm.values == pytest.approx((0.0, 7.5), abs=0.25)
        assert segment.thickening_percent.at_es == pytest.approx(75.0, abs=4.0)
        assert segment.strain_percent.at_es == pytest.approx(-10.7, abs=0.6)
    assert motion.segments[16].displacement_mm.values == (None, None)
    assert motion.notes == ("the apex (segment 17) is not measured in short-axis slices",)


@pytest.mark.parametrize("segment", range(7, 13))
def test_a_segment_that_stands_still_is_that_one(segment: int) -> None:
    """It is told by the wall about the epi's middle: about the cavity's it would seem to move by 4 mm."""
    start = 60.0 * ((segment - 8) % 6)
    still = (TURN_DEG - start) % 360.0 < 60.0
    motion = _measure(_beat([30.0, np.where(still, 30.0, 20.0)]))
    moved = [s.displacement_mm.at_es for s in motion.segments[6:12]]
    thicker = [s.thickening_percent.at_es for s in motion.segments[6:12]]
    assert int(np.argmin(moved)) == int(np.argmin(thicker)) == segment - 7
    assert min(moved) == pytest.approx(0.0, abs=1.0)
    assert sorted(moved)[1] > 8.0
    assert sorted(thicker)[1] > 80.0 > 15.0 > min(thicker)


def test_a_beat_has_a_peak_and_its_time() -> None:
    """The wall thickens longest a phase after end-systole: a beat of 800 ms that begins 10 ms after the R wave."""
    radii = [30.0, 28.0, 25.0, 22.0, 20.0, 23.0, 27.0, 29.5]
    times_ms = [10.0 + 100.0 * t for t in range(8)]
    motion = _measure(_beat(radii), Phases("cine", 7, 3), times_ms)
    curve = motion.strain_percent["global"]
    assert (curve.peak_phase, curve.time_to_peak_ms) == (4, 500.0)  # from phase 8 over the beat's end
    assert curve.peak == min(curve.values)
    assert curve.at_es == curve.values[3] > curve.peak
    assert motion.segments[8].displacement_mm.peak == max(motion.segments[8].displacement_mm.values)
    assert _measure(_beat(radii), Phases("cine", 7, 3)).strain_percent["global"].time_to_peak_ms is None


def test_few_phases_have_no_peak() -> None:
    curve = _measure(_beat([30.0, 22.0, 26.0]), Phases("few_phases", 0, 1)).strain_percent["global"]
    assert (curve.peak, curve.peak_phase, curve.time_to_peak_ms) == (None, None, None)
    assert curve.at_es == curve.values[1]
    assert curve.values[2] < 0.0


def test_a_failed_phase_is_unknown_and_said() -> None:
    labels = _beat([30.0, 27.0, 22.0, 20.0, 24.0, 28.0])
    labels[4] = _beat([10.0])[0]
    motion = _measure(labels, Phases("cine", 0, 3, passed_over=(4,)))
    curve = motion.strain_percent["global"]
    assert curve.values[4] is None
    assert curve.peak_phase == 3
    assert "phase 5 left out, its volume sticks out of the beat" in motion.notes
    given = _measure(labels, Phases("cine", 0, 4, passed_over=(4,)))  # the user says that it is end-systole
    assert given.strain_percent["global"].at_es < -20.0


def test_phases_without_a_wall_are_unknown() -> None:
    labels = _beat([30.0, 27.0, 22.0, 20.0, 24.0, 28.0])
    labels[1] = 0
    labels[2, :, :, :4][labels[2, :, :, :4] == 2] = 0
    curve = _measure(labels, Phases("cine", 0, 3)).strain_percent["global"]
    assert curve.values[1] is None
    assert curve.values[2] == pytest.approx(100.0 * (31.0 / 35.0 - 1.0), abs=0.2)  # by the slices that are left


def test_open_slices_are_left_out_at_every_phase() -> None:
    """The basal slice opens at end-systole; its larger circle must not count at end-diastole alone."""
    labels = _beat([30.0, 22.5])
    labels[0, :, :, 5] = _draw(34.0, epi_mm=44.0)
    labels[1, :, :, 5] = np.where((_draw(26.0) == 2) & (X > 0) & (np.abs(Y) < 5), 0, _draw(26.0))
    motion = _measure(labels)
    assert motion.slices == (4, 3, 2, 1, 0)
    assert "slice 6 left out, the wall is not closed at both end-diastole and end-systole" in motion.notes
    assert motion.strain_percent["basal"].at_es == pytest.approx(-10.7, abs=0.2)
    labels[1, :, :, 4] = 0
    gone = _measure(labels)
    assert gone.strain_percent["basal"] == Curve((None, None))
    assert gone.segments[0].strain_percent == Curve((None, None))
    assert gone.strain_percent["global"].at_es == pytest.approx(-10.7, abs=0.2)


def test_without_a_right_ventricle_there_are_thirds_and_no_segments() -> None:
    labels = _beat([30.0, 22.5])
    labels[0][labels[0] == 3] = 0
    motion = _measure(labels)
    assert {s.strain_percent.at_es for s in motion.segments} == {None}
    assert motion.strain_percent["mid"].at_es == pytest.approx(-10.7, abs=0.2)
    assert any("no right ventricle" in note for note in motion.notes)


@pytest.mark.parametrize(
    ("change", "phases", "word"),
    [
        (lambda a: np.zeros_like(a), PAIR, "got 0"),
        (lambda a: np.where(np.arange(N_SLICES) < 2, a, 0), PAIR, "got 2"),
        (lambda a: np.where(a == 2, 0, a), PAIR, "closed ring"),
        (lambda a: a * (np.arange(2) == 0)[:, None, None, None], PAIR, "closed ring"),
        (lambda a: a, replace(PAIR, es=None), "one phase"),
    ],
)
def test_where_nothing_can_be_measured_a_note_says_why(change, phases: Phases, word: str) -> None:
    labels = change(_beat([30.0, 22.5])).astype(np.uint8)
    motion = _measure(labels, phases)
    assert {curve.at_es for curve in motion.strain_percent.values()} == {None}
    assert motion.segments[0].strain_percent.values == (None, None)
    assert word in motion.notes[0]


NO_APEX = "the apex (segment 17) is not measured in short-axis slices"


@pytest.mark.parametrize(
    ("change", "phases", "note"),
    [
        (lambda a: a, replace(PAIR, es=None), "one phase has no motion"),
        (
            lambda a: np.where(np.arange(N_SLICES) < 2, a, 0),
            PAIR,
            "thirds from base to apex need at least 3 slices with left cavity, got 2",
        ),
        (
            lambda a: np.where(a == 2, 0, a),
            PAIR,
            "no slice has a closed ring of wall at both end-diastole and end-systole",
        ),
    ],
)
def test_what_was_not_measured_is_told_in_full(change, phases: Phases, note: str) -> None:
    nothing = Curve((None, None))
    assert _measure(change(_beat([30.0, 22.5])).astype(np.uint8), phases) == Motion(
        tuple(SegmentMotion(n, name, nothing, nothing, nothing) for n, name in enumerate(SEGMENTS, start=1)),
        dict.fromkeys(("global", "basal", "mid", "apical"), nothing),
        (),
        (note,),
    )


def test_slices_across_another_axis_are_told() -> None:
    along = GRID.affine.copy()
    along[:3, :3] = GRID.affine[:3, [2, 1, 0]]
    labels = _beat([30.0, 22.5])
    motion = measure_motion(labels, Grid(GRID.shape, along), phases=PAIR, beat=make_beat(2))
    assert motion.notes == ("the slices do not lie across the heart's usual axis",)


def test_all_that_was_left_out_is_told_in_order() -> None:
    """By the header the stack runs from the base, and it narrows towards it: from 40 to 35 mm."""
    radii = (30.0, 27.0, 22.0, 20.0, 24.0, 28.0, 29.0)
    slices = [np.stack([_draw(radius, epi_mm=35.0 + z) for radius in radii]) for z in range(N_SLICES)]
    labels = np.stack(slices, axis=-1)
    labels[0][labels[0] == 3] = 0
    labels[3, :, :, 1] = labels[3, :, :, 5] = 0
    grid = Grid(GRID.shape, GRID.affine @ np.diag([1.0, 1.0, -1.0, 1.0]))
    phases = Phases("cine", 0, 3, passed_over=(6, 3, 5))
    motion = measure_motion(labels, grid, phases=phases, beat=make_beat(7))
    assert motion.notes[:-1] == (
        NO_APEX,
        "slices 2, 6 left out, the wall is not closed at both end-diastole and end-systole",
        "segments are unknown, at end-diastole there is no right ventricle beside the left one",
        "phase 6 left out, its volume sticks out of the beat",
        "phase 7 left out, its volume sticks out of the beat",
    )
    assert motion.notes[-1].startswith("by the header the ventricle narrows towards the base")
    assert motion.slices == (4, 3, 2, 0)


def test_a_curve_of_four_known_phases_has_no_peak() -> None:
    labels = _beat([30.0, 27.0, 22.0, 20.0, 24.0, 28.0])
    five = _measure(labels, Phases("cine", 0, 3, passed_over=(5,))).strain_percent["global"]
    four = _measure(labels, Phases("cine", 0, 3, passed_over=(4, 5))).strain_percent["global"]
    assert (five.peak_phase, five.peak) == (3, five.values[3])
    assert (four.peak_phase, four.peak, four.time_to_peak_ms) == (None, None, None)
    assert four.at_es == four.values[3] is not None
    assert four.values[4:] == (None, None)


def test_curves_have_two_decimals_and_times_one() -> None:
    radii = [30.0, 28.0, 25.0, 22.0, 20.0, 23.0, 27.0, 29.5]
    motion = _measure(_beat(radii), Phases("cine", 0, 3), [1000.0 * t / 9.0 for t in range(8)])
    assert motion.strain_percent["global"].time_to_peak_ms == 444.4  # 4/8 of 8/9 s
    curves = [getattr(s, key) for s in motion.segments[:16] for key in ("displacement_mm", "thickening_percent")]
    values = [value for curve in (*curves, *motion.strain_percent.values()) for value in curve.values]
    assert values == [round(value, 2) for value in values]
    assert any(value != round(value, 1) for value in values)


def test_a_change_too_small_to_be_shown_is_nothing_and_not_minus_nothing() -> None:
    """One pixel of the cavity more becomes wall, in one slice."""
    labels = _beat([30.0, 30.0])
    labels[1, SIZE // 2 + 29, SIZE // 2, 3] = 2
    motion = _measure(labels)
    at_es = motion.strain_percent["global"].at_es
    assert at_es == 0.0
    assert not np.signbit(at_es)


def test_the_segments_names_numbers_and_order() -> None:
    motion = _measure(_beat([30.0, 22.5]))
    assert [(s.segment, s.name) for s in motion.segments] == list(enumerate(SEGMENTS, start=1))
    assert list(motion.strain_percent) == ["global", "basal", "mid", "apical"]
    assert {s.displacement_mm.values for s in motion.segments[16:]} == {(None, None)}
