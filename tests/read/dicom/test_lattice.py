"""Slices evenly spaced, phases complete: what the lattice measures and what it refuses."""

import numpy as np
import pytest

from pipeline.core.errors import HeaderError, LatticeError
from pipeline.read.dicom.series import SeriesOptions, read_dicom_cine

NAMED = SeriesOptions(series_uid="1.2.3.1")


def test_sheared_stack_keeps_its_shear(study):
    study.cine(ImagePositionPatient=lambda z: [10.0, 20.0, 30.0 + 0.5 * z] if z == 0 else _sheared(study, z))
    column = read_dicom_cine(study.folder).grid.affine[:3, 2]
    np.testing.assert_allclose(column, [4.8, -6.4, 0.5], atol=1e-9)


def _sheared(study, z):
    x, y, height = study.position(z)
    return [x, y, height + 0.5 * z]


@pytest.mark.parametrize("lost", [0, 1])
def test_positions_that_lost_a_coordinate_are_refused(study, lost):
    """The normal is (-0.6, 0.8, 0): without x the way leans by acos(0.8) = 37 degrees, without y by 53."""

    def position(z):
        place = study.position(z)
        place[lost] = 0.0
        return place

    study.cine(3, 4, ImagePositionPatient=position)
    with pytest.raises(LatticeError, match=f"got {(37, 53)[lost]}: ImagePositionPatient"):
        read_dicom_cine(study.folder)


def test_times_are_means_over_slices(study):
    study.cine(3, 3, TriggerTime=lambda t, z: 200.0 * t + 3.0 * z)
    assert read_dicom_cine(study.folder).times_ms == (3.0, 203.0, 403.0)


def test_single_slice_takes_its_distance_from_the_header(study):
    study.cine(4, 1, SpacingBetweenSlices=9.0)
    cine = read_dicom_cine(study.folder, options=NAMED)
    assert cine.grid.spacing_mm == pytest.approx((1.5, 2.0, 9.0))
    assert "SpacingBetweenSlices" in cine.notes[0]


def test_single_slice_falls_back_to_thickness(study):
    study.cine(4, 1)
    assert read_dicom_cine(study.folder, options=NAMED).grid.spacing_mm[2] == pytest.approx(6.0)


def test_single_slice_without_distance_is_refused(study):
    study.cine(4, 1, SliceThickness=None)
    with pytest.raises(HeaderError, match="SpacingBetweenSlices or SliceThickness"):
        read_dicom_cine(study.folder, options=NAMED)


def test_missing_phase_is_named(study):
    study.cine(5, 4, skip=[(2, 1)])
    with pytest.raises(
        LatticeError, match=r"got 4 at 18\.0 mm where most.*5; missing: phase 3 \(about 205 ms\)"
    ) as caught:
        read_dicom_cine(study.folder)  # (10, 20, 30) . (-0.6, 0.8, 0) = 10 mm; slice 1 lies at 18
    assert caught.value.path == study.folder


def test_missing_phase_of_series_a_slice_is_refused(study):
    study.cine(5, 4, skip=[(2, 1)], SeriesInstanceUID=lambda z: f"1.2.3.{z}")
    with pytest.raises(LatticeError, match="missing: phase 3"):
        read_dicom_cine(study.folder)


def test_missing_frame_of_series_a_phase_is_refused(study):
    study.cine(5, 4, skip=[(2, 1)], SeriesInstanceUID=lambda t: f"1.2.3.{t}")
    with pytest.raises(LatticeError, match="missing: phase 3"):
        read_dicom_cine(study.folder)


def test_missing_slice_is_named(study):
    study.cine(3, 6, skip=[(t, 3) for t in range(3)])
    with pytest.raises(LatticeError, match=r"got none at 34\.0 mm.*between 26\.0 and 42\.0 mm"):
        read_dicom_cine(study.folder)


def test_uneven_steps_give_each_slice_its_share(study):
    study.cine(3, 4, ImagePositionPatient=lambda z: study.position(z - 0.25 * (z == 3)))  # 8, 8 and 6 mm apart
    cine = read_dicom_cine(study.folder)
    assert cine.grid.spans_mm == pytest.approx((8.0, 8.0, 7.0, 7.0))
    assert cine.grid.spacing_mm[2] == pytest.approx(7.4)  # slope of 0, 8, 16, 22 over 0 to 3
    assert "6.00 to 8.00 mm apart" in cine.notes[0]


def test_steps_uneven_by_rounding_are_even(study):
    study.cine(3, 4, ImagePositionPatient=lambda z: study.position(z + 0.05 * (z == 2)))
    cine = read_dicom_cine(study.folder)
    assert (cine.grid.spans_mm, cine.notes) == (None, ())
    assert cine.grid.spacing_mm[2] == pytest.approx(8.04)  # 0, 8, 16.4, 24


def test_distances_beyond_the_limit_are_refused_with_figures(study):
    study.cine(3, 5, ImagePositionPatient=lambda z: study.position(z + 0.6 * (z == 4)))
    with pytest.raises(LatticeError, match=r"0\.5 to 1\.5 times the usual 8\.00 mm, got 8\.00 to 12\.80 mm"):
        read_dicom_cine(study.folder)


def test_slice_shifted_within_its_plane_is_noted_and_beyond_the_limit_refused(study, new_study):
    study.cine(3, 4, ImagePositionPatient=lambda z: np.add(study.position(z), [0, 0, 5.0 * (z == 1)]).tolist())
    assert "shifted within their planes by up to 3.5 mm" in read_dicom_cine(study.folder).notes[0]
    far = new_study("far")
    far.cine(3, 4, ImagePositionPatient=lambda z: np.add(far.position(z), [0, 0, 40.0 * (z == 1)]).tolist())
    with pytest.raises(LatticeError, match=r"by 15 mm, got one shifted by 28\.0 mm"):
        read_dicom_cine(far.folder)


def _tilted(study, degrees, z, of):
    """Orientation and position of a slice that is tilted about its rows through its centre."""
    rows, columns = np.reshape(study.orientation, (2, 3))
    normal, angle = np.cross(rows, columns), np.deg2rad(degrees * (z == of))
    turned = np.cos(angle) * columns + np.sin(angle) * normal
    middle = np.array(study.position(z)) + 2.25 * rows + 4.0 * columns  # 4 columns of 1.5 mm, 5 rows of 2 mm
    return [*rows.tolist(), *turned.tolist()], (middle - 2.25 * rows - 4.0 * turned).tolist()


def test_a_slice_tilted_about_its_centre_leaves_the_grid_where_it_is(study, new_study):
    study.cine(
        3,
        5,
        ImageOrientationPatient=lambda z: _tilted(study, 2.0, z, 2)[0],
        ImagePositionPatient=lambda z: _tilted(study, 2.0, z, 2)[1],
    )
    cine = read_dicom_cine(study.folder)
    assert "tilt by up to 1.6 degrees" in cine.notes[0]  # against the mean of all, 0.4 off the others
    assert cine.grid.spans_mm is None
    assert cine.grid.spacing_mm == pytest.approx((1.5, 2.0, 8.0), abs=1e-2)
    far = new_study("far")
    far.cine(
        3,
        5,
        ImageOrientationPatient=lambda z: _tilted(far, 9.0, z, 2)[0],
        ImagePositionPatient=lambda z: _tilted(far, 9.0, z, 2)[1],
    )
    with pytest.raises(LatticeError, match=r"parallel within 5 degrees, got one tilted by 7\.2"):
        read_dicom_cine(far.folder)


def test_header_distance_that_contradicts_the_positions_is_noted(study):
    study.cine(SpacingBetweenSlices=6.0)
    cine = read_dicom_cine(study.folder)
    assert cine.grid.spacing_mm[2] == pytest.approx(8.0)
    assert "SpacingBetweenSlices says 6 mm" in cine.notes[0]


def test_count_of_cardiac_images_is_checked(study):
    study.cine(CardiacNumberOfImages=5)
    assert "CardiacNumberOfImages says 5, the files hold 4" in read_dicom_cine(study.folder).notes[0]


def test_thin_slices_must_be_even_within_a_tenth_of_their_step(new_study):
    made = new_study("thin", step_mm=2.0)
    made.cine(2, 4, ImagePositionPatient=lambda z: made.position(z + 0.15 * (z == 2)))  # 0.3 mm off: below 0.5 mm
    assert read_dicom_cine(made.folder).grid.spans_mm == pytest.approx((2.0, 2.15, 2.0, 1.85))


def test_frames_of_a_slice_that_lie_apart_in_its_plane_are_refused(study):
    study.cine(4, 3, ImagePositionPatient=lambda t, z: np.add(study.position(z), [0, 0, 3.0 * (t == z == 1)]).tolist())
    with pytest.raises(LatticeError, match=r"slice at 18\.0 mm must share one ImagePositionPatient"):
        read_dicom_cine(study.folder)


def test_incomplete_phases_or_slices_are_dropped_on_demand(study, new_study, expected_array):
    study.cine(5, 4, skip=[(2, 1)])
    cine = read_dicom_cine(study.folder, options=SeriesOptions(drop_incomplete=True))
    np.testing.assert_array_equal(cine.array, np.delete(expected_array(5, 4), 1, axis=3))
    assert cine.grid.spans_mm == pytest.approx((14.0, 12.0, 10.0))  # 10, 26 and 34 mm: the median distance is 12
    assert any("left out 1 slice(s)" in note for note in cine.notes)
    counted = new_study("counted")
    counted.cine(5, 4, skip=[(2, 1)], TriggerTime=None, TemporalPositionIdentifier=lambda t: t + 1)
    cine = read_dicom_cine(counted.folder, options=SeriesOptions(drop_incomplete=True))
    np.testing.assert_array_equal(cine.array, np.delete(expected_array(5, 4), 2, axis=0))
    assert any("left out phase 3 of all slices" in note for note in cine.notes)


def test_a_value_astray_makes_no_unbounded_search(study):
    study.cine(4, 3, TriggerTime=None, TemporalPositionIdentifier=lambda t, z: 2**31 - 1 if t == z == 2 else t + 1)
    with pytest.raises(LatticeError, match="same phases"):
        read_dicom_cine(study.folder)
