"""The short-axis stack among long-axis views, localisers and other stacks."""

import numpy as np
import pytest

from pipeline.core.errors import LatticeError
from pipeline.read.dicom.choice import rank_stacks
from pipeline.read.dicom.files import read_frames
from pipeline.read.dicom.series import SeriesOptions, read_dicom_cine

AXES = ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])


def _long_axis_view(study, *, uid="1.2.3.50", orientation=(0.6, -0.8, 0.0, 0.0, 0.0, -1.0), n_phases=4):
    for t in range(n_phases):
        study.image(t, 0, SeriesInstanceUID=uid, SeriesNumber=50, ImageOrientationPatient=list(orientation))


def _localiser(study):
    for n, axes in enumerate(AXES):
        for level in range(2):
            study.image(
                0,
                level,
                SeriesInstanceUID="1.2.3.60",
                ImageOrientationPatient=axes,
                ImagePositionPatient=(np.array([5.0, 5.0, 5.0]) + 20.0 * level * np.cross(axes[:3], axes[3:])).tolist(),
                InstanceNumber=n,
            )


def test_long_axis_views_and_localisers_are_left_out_and_listed(study, expected_array):
    _localiser(study)
    _long_axis_view(study)
    _long_axis_view(study, uid="1.2.3.51", orientation=(0.0, 0.0, 1.0, 0.6, -0.8, 0.0))
    study.cine()
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(4, 3))
    assert len(cine.notes) == 5
    assert all("fewer than 3 parallel slices" in note for note in cine.notes)
    assert {uid for uid in ("1.2.3.50", "1.2.3.51", "1.2.3.60") if any(uid in note for note in cine.notes)} == {
        "1.2.3.50",
        "1.2.3.51",
        "1.2.3.60",
    }


def test_static_stack_of_the_same_plane_is_left_out(study, expected_array):
    study.cine()
    study.cine(1, 12, SeriesInstanceUID="1.2.3.70", SeriesNumber=70)
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(4, 3))
    assert "one phase only" in cine.notes[0]


def test_oblique_cine_goes_before_a_larger_axial_one(study, expected_array):
    study.cine()
    axial = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "SeriesInstanceUID": "1.2.3.80"}
    study.cine(4, 8, ImagePositionPatient=lambda z: [0.0, 0.0, 8.0 * z], **axial)
    np.testing.assert_array_equal(read_dicom_cine(study.folder).array, expected_array(4, 3))


def test_series_overrides(study, expected_array):
    study.cine(4, 6)
    study.cine(2, 3, SeriesInstanceUID="1.2.3.90")
    assert read_dicom_cine(study.folder).n_phases == 4
    cine = read_dicom_cine(study.folder, options=SeriesOptions(series_uid="1.2.3.90"))
    np.testing.assert_array_equal(cine.array, expected_array(2, 3))
    assert cine.facts.series_uid == "1.2.3.90"


def test_series_of_one_slice_stands_for_its_stack(study, expected_array):
    study.cine(SeriesInstanceUID=lambda z: f"1.2.3.{z + 1}")
    cine = read_dicom_cine(study.folder, options=SeriesOptions(series_uid="1.2.3.2"))
    np.testing.assert_array_equal(cine.array, expected_array(4, 3))


def test_series_of_a_long_axis_view_can_be_named(study):
    study.cine()
    _long_axis_view(study)
    cine = read_dicom_cine(study.folder, options=SeriesOptions(series_uid="1.2.3.50"))
    assert cine.array.shape == (4, 4, 5, 1)


def test_unknown_series_lists_those_there(study):
    study.cine()
    _long_axis_view(study)
    with pytest.raises(LatticeError, match=r"one of 1\.2\.3\.1, 1\.2\.3\.50, got 9\.9"):
        read_dicom_cine(study.folder, options=SeriesOptions(series_uid="9.9"))


def test_two_equal_stacks_are_refused_until_one_is_named(study):
    study.cine()
    aside = {"ImagePositionPatient": lambda z: study.position(z + 0.5), "SeriesInstanceUID": "1.2.3.2"}
    study.cine(ImageType=["ORIGINAL", "PRIMARY", "M", "DIS3D"], **aside)
    with pytest.raises(LatticeError, match=r"2 that fit alike.*1\.2\.3\.1.*1\.2\.3\.2"):
        read_dicom_cine(study.folder)
    assert read_dicom_cine(study.folder, options=SeriesOptions(series_uid="1.2.3.2")).facts.series_uid == "1.2.3.2"


def test_study_of_long_axis_views_only_is_refused(study):
    _long_axis_view(study)
    _long_axis_view(study, uid="1.2.3.51", orientation=(0.0, 0.0, 1.0, 0.6, -0.8, 0.0), n_phases=6)
    with pytest.raises(LatticeError, match="at least 3 parallel slices"):
        read_dicom_cine(study.folder)


def test_mixed_sizes_in_one_series_are_refused(study, phase_picture):
    study.cine(pixels=lambda t, z: phase_picture(t, z, rows=6) if (t, z) == (2, 1) else phase_picture(t, z))
    with pytest.raises(LatticeError, match=r"5 x 4.*6 x 4"):
        read_dicom_cine(study.folder)


def test_end_slice_of_another_size_is_not_silently_left_out(study, phase_picture):
    study.cine(
        SeriesInstanceUID=lambda z: f"1.2.3.{z + 1}",
        n_slices=5,
        pixels=lambda t, z: phase_picture(t, z, rows=6) if z == 4 else phase_picture(t, z),
    )
    with pytest.raises(LatticeError, match="one size"):
        read_dicom_cine(study.folder)


def test_mixed_pixel_spacing_is_refused(study):
    study.cine(PixelSpacing=lambda t, z: [2.0, 1.5 + 0.1 * (t == 3 and z == 2)])
    with pytest.raises(LatticeError, match="one size"):
        read_dicom_cine(study.folder)


def test_rounding_of_the_orientation_does_not_split_a_stack(study, expected_array):
    study.cine(ImageOrientationPatient=lambda t, z: [0.8 + 1e-5 * z, 0.6 - 1e-5 * t, 0.0, 0.0, 0.0, -1.0])
    np.testing.assert_array_equal(read_dicom_cine(study.folder).array, expected_array(4, 3))


def test_the_likeliest_short_axis_comes_first_and_is_weighed_beside_the_others(study):
    _long_axis_view(study)
    study.cine()
    best, view = rank_stacks(read_frames(study.written).frames)
    assert (best.stack.n_slices, view.stack.n_slices) == (3, 1)
    assert "square to 1 of 1 single moving views" in [sign.reason for sign in best.evidence]
    assert not any("single moving views" in sign.reason for sign in view.evidence)
    assert best.points > view.points
