"""Header facts of classic and enhanced files."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from pipeline.core.errors import InputError
from pipeline.read.cine import read_cine
from pipeline.read.dicom import files
from pipeline.read.dicom.files import examine_file, read_frames


def test_classic_facts(study):
    path = study.image(2, 1, RescaleSlope="2.5", StudyInstanceUID="1.2.03", SpacingBetweenSlices="8", HeartRate="61")
    (frame,) = read_frames([path]).frames
    assert (frame.path, frame.frame_number, frame.rows, frame.columns) == (path, 1, 5, 4)
    assert frame.position == pytest.approx((5.2, 26.4, 30.0))  # (10, 20, 30) + 8 x (-0.6, 0.8, 0)
    assert frame.pixel_spacing == (2.0, 1.5)
    assert (frame.trigger_ms, frame.rescale_slope, frame.rescale_intercept) == (205.0, 2.5, 0.0)
    assert (frame.slice_spacing_mm, frame.slice_thickness_mm, frame.heart_rate_bpm) == (8.0, 6.0, 61.0)
    assert frame.study_uid == "1.2.03"  # a UID that the standard forbids is taken as it is, without a warning


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "right angles"),
        ("ImageOrientationPatient", [0.5, 0, 0, 0, 1, 0], "unit directions"),
        ("ImageOrientationPatient", [0, 0, 0, 0, 0, 0], "unit directions"),
        ("PixelSpacing", [0.0, 1.5], "2 positive values"),
        ("PixelSpacing", [1.5], "2 numbers"),
    ],
)
def test_nonsense_geometry_is_refused(study, keyword, value, message):
    path = study.image(0, 0, **{keyword: value})
    found = read_frames([path])
    assert found.frames == ()
    assert [(fault.path, fault.series_uid) for fault in found.faults] == [(path, "1.2.3.1")]
    assert message in found.faults[0].reason
    assert found.notes[0].startswith("left out 1.dcm: ")


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33"}, "Comprehensive SR Storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "Segmentation Storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "CT Image Storage"),
        ({"SOPClassUID": "1.3.12.2.1107.5.9.1"}, "an unknown kind of object"),
        ({"SamplesPerPixel": 3}, "colour picture"),
    ],
)
def test_other_objects_are_left_out_and_named(study, other, name):
    path = study.image(0, 0, **other)
    found = read_frames([path])
    assert (found.frames, found.faults, found.others) == ((), (), ((path, name),))
    assert found.notes == (f"left out 1 file(s) that are no greyscale MR image: {name} (1)",)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "got an empty file"), (b"<html>moved</html>", "got a file of something else")]
)
def test_a_file_named_dcm_that_holds_none_is_a_fault_and_other_text_is_not(tmp_path, content, reason):
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "b.dcm").write_bytes(content)
    found = read_frames(sorted(tmp_path.iterdir()))
    assert [(fault.path.name, fault.series_uid) for fault in found.faults] == [("b.dcm", None)]
    assert reason in found.faults[0].reason


def test_pixel_data_of_another_length_than_stated_are_a_fault(study):
    good, short, long = study.image(0, 0), study.image(1, 0, Rows=6), study.image(2, 0, Columns=3)
    found = read_frames([good, short, long])
    assert [frame.path for frame in found.frames] == [good]
    assert [fault.path for fault in found.faults] == [short, long]
    assert found.faults[0].reason.endswith("got 40: the file is cut short")  # 5 x 4 pixels of 2 bytes
    assert found.faults[1].reason.endswith("got 40: the file is of another size")


def test_files_of_one_reason_share_a_note(study):
    paths = [study.image(t, 0, PixelSpacing=None) for t in range(5)]
    (note,) = read_frames(paths).notes
    assert note.startswith("left out 5 files (1.dcm, 2.dcm, 3.dcm, ...): an MR image must state PixelSpacing")


def test_frames_of_a_single_frame_class_are_phases_in_the_files_order(study):
    pixels = np.stack([np.full((5, 4), t, np.int16) for t in range(3)])
    plain = read_frames([study.image(0, 0, pixels=pixels, NumberOfFrames=3)]).frames
    assert [(frame.frame_number, frame.temporal_index, frame.trigger_ms) for frame in plain] == [
        (1, 1, None),
        (2, 2, None),
        (3, 3, None),
    ]
    even = read_frames([study.image(0, 0, pixels=pixels, NumberOfFrames=3, FrameTime=40.0)]).frames
    assert [frame.trigger_ms for frame in even] == [0.0, 40.0, 80.0]
    steps = read_frames([study.image(0, 0, pixels=pixels, NumberOfFrames=3, FrameTimeVector=[0.0, 30.0, 50.0])]).frames
    assert [frame.trigger_ms for frame in steps] == [0.0, 30.0, 80.0]


def test_a_header_is_read_once_until_the_file_changes(study, monkeypatch):
    path = study.image(0, 0)
    first = examine_file(path)
    monkeypatch.setattr(files, "read_header", lambda *_, **__: pytest.fail("opened again"))
    assert examine_file(path) is first
    assert read_frames([path]).frames == first.frames
    monkeypatch.undo()
    study.written.clear()
    changed = study.image(3, 0)  # under the same name
    assert changed == path
    assert examine_file(path).frames[0].trigger_ms == 305.0


def test_a_file_that_is_gone_is_a_fault(tmp_path):
    assert "must be readable" in examine_file(tmp_path / "gone.dcm").fault.reason


def test_a_whole_number_that_is_infinite_in_implicit_syntax_is_a_fault(study):
    path = study.image(0, 0, InstanceNumber="123")
    made = pydicom.dcmread(path)
    made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    pydicom.dcmwrite(path, made, implicit_vr=True, little_endian=True)
    content = path.read_bytes()
    assert content.count(b"123 ") == 1
    path.write_bytes(content.replace(b"123 ", b"inf "))
    (fault,) = read_frames([path]).faults
    assert "cannot convert float infinity to integer" in fault.reason


@pytest.mark.parametrize("tag", [b"\x08\x00\x16\x00", b"\x20\x00\x0d\x00", b"\x20\x00\x0e\x00", b"\x10\x00\x20\x00"])
def test_an_identifier_of_an_unknown_type_costs_its_file(study, tag):
    """SOPClassUID, StudyInstanceUID, SeriesInstanceUID and PatientID, in a file that is read by itself."""
    path = study.image(0, 0, PatientID="a")
    data = path.read_bytes()
    at = data.index(tag, 132) + 4
    path.write_bytes(data[:at] + b"ZZ" + data[at + 2 :])
    with pytest.raises(InputError, match="must be a value of its type, got Unknown Value Representation 'ZZ'"):
        read_cine(path)
