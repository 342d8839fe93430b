"""Situations that scanners and archives really produce, and what is read in each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from pipeline.core.errors import LatticeError
from pipeline.read.dicom.series import SeriesOptions, read_dicom_cine

GOOD = 3483648
"""Sum over 8 phases x 6 slices of the pictures that the script of situations writes."""
REPEATED = 2920448
"""The same with the third slice's pictures replaced by flat ones of 0 to 7."""


@pytest.fixture(scope="module")
def situations(tmp_path_factory) -> Path:
    """The folder of studies, one a situation, as the data's own script writes them."""
    script = Path(os.environ.get("CMR_DATA", "")) / "cases" / "make_cases.py"
    if not script.is_file():
        pytest.skip("needs CMR_DATA with cases/make_cases.py")
    folder = tmp_path_factory.mktemp("situations")
    subprocess.run([sys.executable, "-W", "ignore", script, folder], check=True)
    return folder


@pytest.mark.parametrize(
    ("name", "total", "note"),
    [
        ("a_good", GOOD, ""),
        ("repeated_breath_hold", REPEATED, "slice 3 was acquired more than once: the later"),
        ("repeated_breath_hold_other_rate", REPEATED, "slice 3 was acquired more than once: the later"),
        ("derived_copy_of_the_stack", GOOD, "derived from other pictures"),
        ("resent_under_new_uids", GOOD, "dropped a copy of the stack with identical pixels"),
        ("perfusion_beside_cine", GOOD, "more than a beat, as perfusion has"),
        ("four_chamber_stack_beside_cine", GOOD, "a plane 88 degrees off the usual short axis"),
        ("slices_tilted_half_a_degree", GOOD, "slices tilt by up to 0.6 degrees"),
        ("last_slice_2mm_nearer", GOOD, "6.00 to 8.00 mm apart"),
        ("phase_counts_differ", None, "by fraction of the beat"),
        ("mr_page_without_plane", GOOD, "048.dcm: an MR image must state ImagePositionPatient"),
        ("damaged_localizer", GOOD, "left out x.dcm"),
        ("empty_file", GOOD, "left out x.dcm: a file named .dcm must hold DICOM, got an empty file"),
        ("web_page_named_dcm", GOOD, "left out x.dcm"),
        ("frames_in_single_frame_class", GOOD, "ordered by the temporal position"),
        ("velocity_map_before_magnitude", GOOD, "a phase picture"),
        ("field_map_after_magnitude", GOOD, "a field map picture"),
        ("component_alone_differs", GOOD, "a phase picture"),
    ],
)
def test_what_is_right(situations, name, total, note):
    cine = read_dicom_cine(situations / name)
    assert cine.array.shape == (8, 16, 16, 6)
    assert total is None or int(cine.array.sum(dtype=np.int64)) == total
    assert any(note in told for told in cine.notes) if note else cine.notes == ()


def test_naming_a_series_changes_nothing(situations):
    for name in ("a_good", "velocity_map_before_magnitude", "field_map_after_magnitude", "component_alone_differs"):
        by_evidence = read_dicom_cine(situations / name)
        named = read_dicom_cine(situations / name, options=SeriesOptions(series_uid=by_evidence.facts.series_uid))
        np.testing.assert_array_equal(named.array, by_evidence.array)


def test_echoes_are_no_cine(situations):
    with pytest.raises(LatticeError, match="EchoTime has 8 values"):
        read_dicom_cine(situations / "echoes")


def test_the_first_acquisition_can_be_preferred(situations):
    first = SeriesOptions(prefer="first")
    assert int(read_dicom_cine(situations / "repeated_breath_hold", options=first).array.sum(dtype=np.int64)) == GOOD


def test_volumes_of_uneven_slices_count_each_with_its_share(situations):
    grid = read_dicom_cine(situations / "last_slice_2mm_nearer").grid
    assert grid.spans_mm == pytest.approx((8.0, 8.0, 8.0, 8.0, 7.0, 7.0), abs=1e-3)
    assert grid.voxel_volumes_ml == pytest.approx(np.array(grid.spans_mm) * 1.5 * 1.5 / 1000, rel=1e-3)


def test_slices_with_fewer_phases_show_the_nearest_of_theirs(situations):
    cine = read_dicom_cine(situations / "phase_counts_differ")
    shown = [int(cine.array[t, 0, 0, 1]) - 10 for t in range(8)]  # phases of the second slice, 7 over the same beat
    assert shown == [0, 1, 2, 3, 3, 4, 5, 6]
    assert cine.times_ms == pytest.approx([10.0 + 100.0 * t for t in range(8)])


def _shifted(phase_picture, by):
    """Pictures that differ from those of another series by a constant."""
    return lambda t, z: phase_picture(t, z) + np.int16(by)


def _stack(study, n_slices=6, **elements):
    study.cine(8, n_slices, SeriesInstanceUID=lambda z: f"1.2.3.{10 + z}", SeriesNumber=lambda z: 10 + z, **elements)


def test_a_repeated_slice_a_little_off_its_place_takes_the_place(study, phase_picture, expected_array):
    """Planned anew: 2 of 8 mm off, in a series of its own."""
    _stack(study)
    for t in range(8):
        study.image(t, 2.25, SeriesInstanceUID="1.2.3.40", SeriesNumber=40, pixels=phase_picture(t, 2) + np.int16(7))
    expected = expected_array(8, 6)
    expected[..., 2] += 7
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected)
    assert cine.grid.spans_mm is not None


def test_an_incomplete_repeat_is_passed_over(study, phase_picture, expected_array):
    _stack(study)
    for t in range(6):
        study.image(t, 2, SeriesInstanceUID="1.2.3.40", SeriesNumber=40, pixels=phase_picture(t, 2) + np.int16(7))
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(8, 6))
    assert any("with 6 phase(s)" in note for note in cine.notes)


@pytest.mark.parametrize("element", ["AcquisitionNumber", "AcquisitionTime"])
def test_a_repeat_within_the_series_is_told_by_its_acquisition(study, phase_picture, expected_array, element):
    values = {"AcquisitionNumber": (1, 2), "AcquisitionTime": ("101500", "102000")}[element]
    study.cine(8, 6, **{element: values[0]})
    for t in range(8):
        study.image(t, 3, pixels=phase_picture(t, 3) + np.int16(7), **{element: values[1]})
    expected = expected_array(8, 6)
    expected[..., 3] += 7
    np.testing.assert_array_equal(read_dicom_cine(study.folder).array, expected)
    first = read_dicom_cine(study.folder, options=SeriesOptions(prefer="first"))
    np.testing.assert_array_equal(first.array, expected_array(8, 6))


def test_the_time_of_acquisition_goes_before_the_series_number(study, phase_picture, expected_array):
    study.cine(8, 6, SeriesNumber=9, AcquisitionTime="110000")
    study.cine(
        8,
        6,
        SeriesInstanceUID="1.2.3.2",
        SeriesNumber=20,
        AcquisitionTime="100000",
        pixels=_shifted(phase_picture, 7),
    )
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(8, 6))
    assert any("the stack was acquired more than once, the later is read" in note for note in cine.notes)
    first = read_dicom_cine(study.folder, options=SeriesOptions(prefer="first"))
    np.testing.assert_array_equal(first.array, expected_array(8, 6) + 7)


def test_acquisitions_that_nothing_orders_are_refused(study, phase_picture):
    study.cine(8, 3, InstanceNumber=1)
    study.cine(8, 3, InstanceNumber=1, SeriesInstanceUID="1.2.3.2", pixels=_shifted(phase_picture, 7))
    with pytest.raises(LatticeError, match="nothing tells the order"):
        read_dicom_cine(study.folder)


@pytest.mark.parametrize(("first", "second"), [("ND", "DIS2D"), ("DIS2D", "ND"), ("DIS3D", "DIS2D")])
def test_of_a_pair_the_pictures_corrected_within_their_plane_are_read(
    study, phase_picture, expected_array, first, second
):
    for number, word in enumerate((first, second), start=1):
        study.cine(
            8,
            3,
            SeriesInstanceUID=f"1.2.3.{number}",
            SeriesNumber=number,
            ImageType=["ORIGINAL", "PRIMARY", "M", word],
            pixels=_shifted(phase_picture, 7 * (word != "DIS2D")),
        )
    np.testing.assert_array_equal(read_dicom_cine(study.folder).array, expected_array(8, 3))


def test_the_shortest_of_several_echoes_of_a_cine_is_read(study, phase_picture, expected_array):
    for echo_ms in (4.6, 2.3):
        study.cine(8, 3, EchoTime=echo_ms, pixels=_shifted(phase_picture, 7 * (echo_ms > 3)))
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(8, 3))
    assert any("EchoTime has 2 values in one plane, 2.3 to 4.6 ms" in note for note in cine.notes)


@pytest.mark.parametrize(("element", "step"), [("InversionTime", 80.0), ("DiffusionBValue", 250.0)])
def test_pictures_that_differ_in_contrast_are_no_cine(study, element, step):
    study.cine(8, 3, **{element: lambda t: 100.0 + step * t})
    with pytest.raises(LatticeError, match=element):
        read_dicom_cine(study.folder)


def test_a_legacy_converted_image_has_its_clock_among_the_unassigned_elements(study, expected_array):
    frames = [(t, z) for z in range(3) for t in (3, 0, 2, 1)]
    path = study.enhanced(frames, SOPClassUID="1.2.840.10008.5.1.4.1.1.4.4")

    made = pydicom.dcmread(path)
    for (phase, _), own in zip(frames, made.PerFrameFunctionalGroupsSequence, strict=True):
        clock = Dataset()
        clock.TriggerTime = 10.0 + 100.0 * phase
        own.UnassignedPerFrameConvertedAttributesSequence = Items([clock])
        del own.CardiacSynchronizationSequence, own.FrameContentSequence[0].TemporalPositionIndex
        del own.FrameContentSequence[0].DimensionIndexValues
    made.save_as(path)
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(4, 3))
    assert cine.times_ms == (10.0, 110.0, 210.0, 310.0)


def test_a_described_series_breaks_a_tie(study, phase_picture, expected_array):
    """Tagging in the very plane of the cine, of another technique and half a step aside: only its name tells."""
    study.cine(8, 6, SeriesDescription="Kurzachse cine", EchoTime=1.2)
    study.cine(
        8,
        6,
        SeriesInstanceUID="1.2.3.2",
        SeriesNumber=2,
        SeriesDescription="tagging_SA",
        EchoTime=3.5,
        pixels=_shifted(phase_picture, 7),
    )
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(8, 6))
    assert any('named "tagging"' in note for note in cine.notes)


def test_a_look_decides_where_headers_do_not(study, phase_picture, expected_array):
    aside = {"ImagePositionPatient": lambda z: study.position(z + 0.5), "SeriesInstanceUID": "1.2.3.2", "EchoTime": 4.0}
    study.cine(EchoTime=1.0)
    study.cine(pixels=_shifted(phase_picture, 7), **aside)
    with pytest.raises(LatticeError, match="2 that fit alike"):
        read_dicom_cine(study.folder)
    with pytest.raises(LatticeError, match="2 that fit alike"):
        read_dicom_cine(study.folder, look=lambda cine: 10.0 if cine.array[0, 0, 0, 0] == 7 else 8.0)  # not clearly
    looked = read_dicom_cine(study.folder, look=lambda cine: 10.0 if cine.array[0, 0, 0, 0] == 7 else 5.0)
    np.testing.assert_array_equal(looked.array, expected_array(4, 3) + 7)
    assert "headers do not tell 2 stacks apart" in looked.notes[0]


def test_tilted_and_shifted_slices_keep_their_planes_in_the_sources(situations):
    cine = read_dicom_cine(situations / "slices_tilted_half_a_degree")
    planes = [cine.plane(0, z) for z in range(6)]
    assert len({tuple(directions) for _, directions in planes}) == 6
    for z, (position, _) in enumerate(planes):
        assert position == pytest.approx(cine.sources[3][z].position)
