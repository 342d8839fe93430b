"""Header facts of classic and enhanced files."""

import logging

import pytest

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.read.dicom.files import read_frames


def test_classic_facts(study):
    path = study.image(2, 1, RescaleSlope="2.5", StudyInstanceUID="1.2.03", SpacingBetweenSlices="8", HeartRate="61")
    (frame,) = read_frames([path])
    assert (frame.path, frame.frame_number, frame.rows, frame.columns) == (path, 1, 5, 4)
    assert frame.position == pytest.approx((5.2, 26.4, 30.0))  # (10, 20, 30) + 8 x (-0.6, 0.8, 0)
    assert frame.pixel_spacing == (2.0, 1.5)
    assert (frame.trigger_ms, frame.rescale_slope, frame.rescale_intercept) == (85.0, 2.5, 0.0)
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
    with pytest.raises(HeaderError, match=message):
        read_frames([path])


@pytest.mark.parametrize(
    "other",
    [
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"},
        {"SOPClassUID": "1.2.840.10008.1.3.10"},
        {"SamplesPerPixel": 3},
    ],
)
def test_other_objects_are_left_out_with_a_log_line(study, caplog, other):
    path = study.image(0, 0, **other)
    with caplog.at_level(logging.INFO, logger="pipeline.read.dicom.files"):
        assert read_frames([path]) == []
    assert str(path) in caplog.text


def test_text_named_dcm_is_refused_and_other_text_is_not(tmp_path):
    (tmp_path / "a.txt").write_text("x" * 300)
    (tmp_path / "b.dcm").write_text("x" * 300)
    assert read_frames([tmp_path / "a.txt"]) == []
    with pytest.raises(UnreadableError, match="must parse"):
        read_frames([tmp_path / "b.dcm"])
