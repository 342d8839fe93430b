"""Slices evenly spaced, phases complete: what the lattice measures and what it refuses."""

import numpy as np
import pytest

from pipeline.core.errors import HeaderError, LatticeError
from pipeline.read.dicom.series import read_dicom_cine


def test_sheared_stack_keeps_its_shear(study):
    study.cine(ImagePositionPatient=lambda z: [10.0, 20.0, 30.0 + 0.5 * z] if z == 0 else _sheared(study, z))
    column = read_dicom_cine(study.folder).grid.affine[:3, 2]
    np.testing.assert_allclose(column, [4.8, -6.4, 0.5], atol=1e-9)


def _sheared(study, z):
    x, y, height = study.position(z)
    return [x, y, height + 0.5 * z]


def test_times_are_means_over_slices(study):
    study.cine(3, 3, TriggerTime=lambda t, z: 40.0 * t + 3.0 * z)
    assert read_dicom_cine(study.folder).times_ms == (3.0, 43.0, 83.0)


def test_single_slice_takes_its_distance_from_the_header(study):
    study.cine(4, 1, SpacingBetweenSlices=9.0)
    cine = read_dicom_cine(study.folder)
    assert cine.grid.spacing_mm == pytest.approx((1.5, 2.0, 9.0))
    assert "SpacingBetweenSlices" in cine.notes[0]


def test_single_slice_falls_back_to_thickness(study):
    study.cine(4, 1)
    assert read_dicom_cine(study.folder).grid.spacing_mm[2] == pytest.approx(6.0)


def test_single_slice_without_distance_is_refused(study):
    study.cine(4, 1, SliceThickness=None)
    with pytest.raises(HeaderError, match="SpacingBetweenSlices or SliceThickness"):
        read_dicom_cine(study.folder)


def test_missing_phase_is_named(study):
    study.cine(5, 4, skip=[(2, 1)])
    with pytest.raises(
        LatticeError, match=r"got 4 at 18\.0 mm where most.*5; missing: phase 3 \(about 85 ms\)"
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


def test_uneven_steps_are_refused_beyond_the_tolerance(study):
    study.cine(3, 4, ImagePositionPatient=lambda z: study.position(z + 0.1 * (z == 2)))
    with pytest.raises(LatticeError, match=r"evenly spaced, got steps of 7\.20 to 8\.80 mm"):
        read_dicom_cine(study.folder)


def test_uneven_steps_within_the_tolerance_are_read(study):
    study.cine(3, 4, ImagePositionPatient=lambda z: study.position(z + 0.05 * (z == 2)))
    assert read_dicom_cine(study.folder).grid.spacing_mm[2] == pytest.approx(8.0)


def test_tolerance_can_be_tightened(study):
    study.cine(3, 4, ImagePositionPatient=lambda z: study.position(z + 0.05 * (z == 2)))
    with pytest.raises(LatticeError, match="evenly spaced"):
        read_dicom_cine(study.folder, tolerance_mm=0.1)


def test_slice_shifted_within_its_plane_is_refused(study):
    study.cine(3, 4, ImagePositionPatient=lambda z: np.add(study.position(z), [0, 0, 5.0 * (z == 1)]).tolist())
    with pytest.raises(LatticeError, match="evenly spaced"):
        read_dicom_cine(study.folder)


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
    with pytest.raises(LatticeError, match="evenly spaced"):
        read_dicom_cine(made.folder)


def test_frames_of_a_slice_that_lie_apart_in_its_plane_are_refused(study):
    study.cine(4, 3, ImagePositionPatient=lambda t, z: np.add(study.position(z), [0, 0, 3.0 * (t == z == 1)]).tolist())
    with pytest.raises(LatticeError, match=r"slice at 18\.0 mm must share one ImagePositionPatient"):
        read_dicom_cine(study.folder)
