"""Whole studies: every layout must read as the same cine; everything doubtful must be refused by name."""

import logging
import random

import numpy as np
import pytest

from pipeline.core.errors import LatticeError, UnreadableError
from pipeline.read.dicom.series import SeriesOptions, read_dicom_cine

# rows (0.8, 0.6, 0) x 1.5 mm; columns (0, 0, -1) x 2 mm; normal (-0.6, 0.8, 0) x 8 mm; x and y turned from LPS to RAS
AFFINE = [[-1.2, 0.0, 4.8, -10.0], [-0.9, 0.0, -6.4, -20.0], [0.0, -2.0, 0.0, 30.0], [0.0, 0.0, 0.0, 1.0]]


def _all_in_one(study):
    study.cine()


def _series_a_slice(study):
    study.cine(SeriesInstanceUID=lambda z: f"1.2.3.{z + 1}", SeriesNumber=lambda z: z + 1)


def _series_a_phase(study):
    study.cine(SeriesInstanceUID=lambda t: f"1.2.3.{t + 1}", SeriesNumber=lambda t: t + 1)


def _series_a_frame(study):
    study.cine(SeriesInstanceUID=lambda t, z: f"1.2.3.{10 * t + z}")


def _enhanced_one_file(study):
    study.enhanced([(t, z) for z in (2, 0, 1) for t in (3, 1, 0, 2)])


def _enhanced_shared_plane(study):
    study.enhanced([(t, z) for t in range(4) for z in range(3)], shared_plane=True)


def _enhanced_file_a_phase(study):
    for t in (2, 0, 3, 1):
        study.enhanced([(t, z) for z in range(3)])


def _enhanced_file_and_series_a_slice(study):
    for z in range(3):
        study.enhanced([(t, z) for t in range(4)], SeriesInstanceUID=f"1.2.3.{z}")


@pytest.mark.parametrize(
    "write",
    [
        _all_in_one,
        _series_a_slice,
        _series_a_phase,
        _series_a_frame,
        _enhanced_one_file,
        _enhanced_shared_plane,
        _enhanced_file_a_phase,
        _enhanced_file_and_series_a_slice,
    ],
)
def test_every_layout_reads_as_the_same_cine(study, expected_array, write):
    write(study)
    cine = read_dicom_cine(study.folder)
    assert cine.array.dtype == np.int16
    np.testing.assert_array_equal(cine.array, expected_array(4, 3))
    np.testing.assert_allclose(cine.grid.affine, AFFINE, atol=1e-12)
    np.testing.assert_allclose(np.diff(cine.times_ms), 100.0)
    assert cine.notes == ()
    assert len(cine.sources) == 4
    assert len(cine.sources[0]) == 3


def test_sources_lead_back_to_the_pixels(study, phase_picture):
    study.enhanced([(t, z) for z in (2, 0, 1) for t in (3, 1, 0, 2)])
    source = read_dicom_cine(study.folder).sources[1][2]
    assert (source.frame_number, source.sop_instance_uid) == (2, "1.2.3.9.1")


def test_order_of_files_and_their_names_do_not_matter(study, expected_array):
    names = [f"{'abc'[n % 3]}/IM{n:03d}" for n in range(12)]
    random.Random(4).shuffle(names)
    shuffled = iter(names)
    study.cine(name=lambda: next(shuffled), InstanceNumber=lambda t, z: (7 * (3 * t + z)) % 12)
    (study.folder / "README.txt").write_text("not an image")
    (study.folder / "a" / "._IM000").write_bytes(b"\0" * 200)
    np.testing.assert_array_equal(read_dicom_cine(study.folder).array, expected_array(4, 3))


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (0.0, 0.6, 0.8, 1.0, 0.0, 0.0)])
def test_pixel_lies_where_dicom_says(new_study, orientation):
    made = new_study("plane", orientation=orientation)
    made.cine(2, 3)
    grid = read_dicom_cine(made.folder).grid
    column, row, level = 3, 4, 2
    lps = (
        np.array(made.position(level)) + np.array(orientation[:3]) * 1.5 * column + np.array(orientation[3:]) * 2 * row
    )
    found = grid.affine @ [column, row, level, 1]
    np.testing.assert_allclose(found[:3], lps * [-1, -1, 1], atol=1e-9)
    assert np.linalg.det(grid.affine[:3, :3]) > 0  # k rises along the normal, whatever the order of files


def test_static_volume_is_a_cine_of_one_phase(study, expected_array):
    study.cine(1, 5)
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(1, 5))
    assert cine.times_ms == (5.0,)


def test_facts(study):
    study.cine(
        HeartRate=lambda z: 60 + z,
        PatientSize=0.0,
        PatientWeight=81.5,
        PatientName="A^B",
        PatientBirthDate="00000000",
    )
    facts = read_dicom_cine(study.folder).facts
    assert (facts.study_uid, facts.series_uid, facts.manufacturer) == ("1.2.3", "1.2.3.1", "Maker")
    assert (facts.heart_rate_bpm, facts.height_m, facts.weight_kg) == (61.0, None, 81.5)


def test_heart_rate_from_interval(study):
    study.cine(NominalInterval=750)
    assert read_dicom_cine(study.folder).facts.heart_rate_bpm == 80.0


def test_rescaled_values_are_float32(study, expected_array):
    study.cine(RescaleSlope=lambda z: 2.0 + z, RescaleIntercept=-3.0)
    array = read_dicom_cine(study.folder).array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, expected_array(4, 3) * (2.0 + np.arange(3)) - 3.0)


def test_identical_repeat_is_dropped_with_a_note(study, expected_array):
    study.cine()
    study.image(1, 2, name="again.dcm")
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(4, 3))
    assert len(cine.notes) == 1
    assert "again.dcm" in cine.notes[0]


def test_whole_folder_copied_inside_is_dropped(study, expected_array):
    study.cine()
    for path in list(study.written):
        copy = study.folder / "backup" / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(4, 3))
    assert "dropped 12 repeated" in cine.notes[0]


def test_repeat_with_other_pixels_is_refused(study, phase_picture):
    study.cine()
    study.image(1, 2, name="other.dcm", pixels=phase_picture(1, 2) + np.int16(1))
    with pytest.raises(LatticeError, match=r"one picture.*other\.dcm"):
        read_dicom_cine(study.folder)


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_an_image_without_a_plane_is_noted_and_one_that_may_be_missed_refused(study, expected_array, keyword):
    study.cine(4, 3)
    study.image(0, 3, name="page.dcm", **{keyword: None})
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(4, 3))
    assert any("page.dcm" in note and keyword in note for note in cine.notes)
    for t in range(1, 4):  # now they may be a whole slice
        study.image(t, 3, **{keyword: None})
    with pytest.raises(UnreadableError, match=f"4 files .*{keyword}"):
        read_dicom_cine(study.folder)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_that_the_stack_needs_is_named(study, part, phase_picture):
    study.cine(pixels=lambda t, z: phase_picture(t, z, rows=64, columns=64))
    bad = study.written[5]
    bad.write_bytes(bad.read_bytes()[: int(part * bad.stat().st_size)])
    with pytest.raises(UnreadableError, match="same phases") as caught:
        read_dicom_cine(study.folder)
    assert caught.value.path == bad


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_of_another_series_is_noted(study, part, phase_picture, expected_array):
    study.cine()
    bad = study.image(0, 0, name="localiser.dcm", SeriesInstanceUID="1.2.3.60", pixels=phase_picture(0, 0, rows=64))
    bad.write_bytes(bad.read_bytes()[: int(part * bad.stat().st_size)])
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(4, 3))
    assert any("localiser.dcm" in note for note in cine.notes)


@pytest.mark.parametrize("enhanced", [False, True])
def test_file_truncated_at_any_byte_is_never_read(study, enhanced):
    path = study.enhanced([(0, 0), (1, 0)]) if enhanced else study.image(0, 0)
    named = SeriesOptions(series_uid="1.2.3.1")
    whole = path.read_bytes()
    assert read_dicom_cine(path, options=named).n_slices == 1
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableError):
            read_dicom_cine(path, options=named)


def test_file_without_pixels_is_named(study):
    study.cine()
    bad = study.image(4, 0, PixelData=None)
    for z in (1, 2):
        study.image(4, z)
    with pytest.raises(UnreadableError, match="pixel data") as caught:
        read_dicom_cine(study.folder)
    assert caught.value.path == bad


def test_folder_without_images_is_refused(tmp_path):
    (tmp_path / "note.txt").write_text("nothing here")
    with pytest.raises(UnreadableError, match="at least one MR image"):
        read_dicom_cine(tmp_path)


def test_missing_path_is_refused(tmp_path):
    with pytest.raises(UnreadableError, match="must exist"):
        read_dicom_cine(tmp_path / "nowhere")


def test_two_studies_at_once_are_refused(study):
    study.cine()
    study.image(0, 0, StudyInstanceUID="1.2.4")
    with pytest.raises(UnreadableError, match="one study, got 2"):
        read_dicom_cine(study.folder)


def test_list_of_files_is_read_as_given(study, expected_array):
    study.cine(4, 4)
    first_three = [path for n, path in enumerate(study.written) if n < 12]
    np.testing.assert_array_equal(read_dicom_cine(first_three).array, expected_array(4, 3))


def test_nothing_of_the_patient_in_notes_or_log(study, caplog):
    study.cine(PatientName="Secret^Name", PatientID="SECRET", PatientBirthDate="19010203", CardiacNumberOfImages=9)
    study.image(
        0, 9, SeriesInstanceUID="1.2.3.8", PatientName="Secret^Name", ImageOrientationPatient=[1, 0, 0, 0, 1, 0]
    )
    with caplog.at_level(logging.DEBUG):
        cine = read_dicom_cine(study.folder)
    told = " ".join(cine.notes) + caplog.text + repr(cine.facts)
    assert cine.notes
    assert "secret" not in told.lower()
    assert "1901" not in told


@pytest.mark.parametrize(("folder", "n_slices"), [("SCD0000101", 12), ("SCD0000201", 13)])
def test_sunnybrook(cmr_data, folder, n_slices):
    cine = read_dicom_cine(cmr_data / "sunnybrook" / "dicom" / folder)
    assert cine.array.shape == (20, 256, 256, n_slices)
    assert cine.array.dtype == np.int16
    assert cine.grid.spacing_mm == pytest.approx((1.367188, 1.367188, 10.0), abs=1e-4)
    assert np.all(np.diff(cine.times_ms) > 30.0)
    assert cine.facts.manufacturer == "GE MEDICAL SYSTEMS"
    assert 75 < cine.facts.heart_rate_bpm < 90
    assert cine.notes == ()


def test_enhanced_siemens_sample(cmr_data):
    cine = read_dicom_cine(cmr_data / "dicom_samples" / "enhanced_siemens_xa")
    assert cine.array.shape == (4, 64, 64, 6)  # an echo-planar run: four volumes of six slices
    assert cine.grid.spacing_mm == pytest.approx((3.375, 3.375, 2.4), abs=1e-5)
    np.testing.assert_allclose(cine.grid.affine[:3, 3], [109.79, 58.4773, -5.40356], atol=1e-4)
    assert [row[0].path.rsplit("/", 1)[-1] for row in cine.sources] == ["6_1.dcm", "6_2.dcm", "6_3.dcm", "6_4.dcm"]
    assert cine.times_ms is None
    assert "temporal position" in cine.notes[0]


def test_a_mosaic_is_refused_by_name(study):
    study.cine(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    with pytest.raises(LatticeError, match="Siemens mosaics"):
        read_dicom_cine(study.folder)
