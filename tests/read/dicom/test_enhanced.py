"""Enhanced multi-frame files: functional groups to frames."""

from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from pipeline.core.errors import UnreadableError
from pipeline.read.dicom.enhanced import enhanced_frames
from pipeline.read.dicom.files import read_frames
from pipeline.read.dicom.frames import Frame, Technique
from pipeline.read.dicom.kinds import Kind

from .test_classic import FRAME as CLASSIC_FRAME
from .test_classic import TECHNIQUE as CLASSIC_TECHNIQUE


def test_enhanced_facts(study):
    path = study.enhanced([(0, 0), (1, 0), (1, 2)], CardiacNumberOfImages=2)
    frames = read_frames([path]).frames
    assert [frame.frame_number for frame in frames] == [1, 2, 3]
    assert [frame.trigger_ms for frame in frames] == [0.0, 100.0, 100.0]
    assert [frame.temporal_index for frame in frames] == [1, 2, 2]
    assert frames[2].position == pytest.approx((0.4, 32.8, 30.0))
    assert {frame.heart_rate_bpm for frame in frames} == {75.0}
    assert {frame.stack_id for frame in frames} == {"1"}


def test_enhanced_rescale_of_each_frame(study, phase_picture):
    transformation = Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept = 3.0, 1.0
    shared = Dataset()
    shared.PixelValueTransformationSequence = Sequence([transformation])
    groups = _groups(study, [(0, 0)])
    path = study.enhanced([(0, 0)], SharedFunctionalGroupsSequence=Sequence([shared]), **groups)
    (frame,) = read_frames([path]).frames
    assert (frame.rescale_slope, frame.rescale_intercept) == (3.0, 1.0)


def test_enhanced_dimension_index_stands_in_for_the_temporal_index(study):
    groups = _groups(study, [(4, 0), (2, 0)])
    for own in groups["PerFrameFunctionalGroupsSequence"]:
        del own.FrameContentSequence[0].TemporalPositionIndex
    pointers = []
    for keyword in ("StackID", "InStackPositionNumber", "NominalCardiacTriggerDelayTime"):
        pointer = Dataset()
        pointer.DimensionIndexPointer = Tag(keyword)
        pointers.append(pointer)
    path = study.enhanced([(4, 0), (2, 0)], DimensionIndexSequence=Sequence(pointers), **groups)
    assert [frame.temporal_index for frame in read_frames([path]).frames] == [5, 3]


def _groups(study, frames):
    """The writer's own per-frame functional groups, to be changed."""
    made = pydicom.dcmread(study.enhanced(frames))
    return {"PerFrameFunctionalGroupsSequence": made.PerFrameFunctionalGroupsSequence}


def test_enhanced_with_fewer_groups_than_frames_is_refused(study):
    path = study.enhanced([(0, 0), (1, 0)], NumberOfFrames=3)
    (fault,) = read_frames([path]).faults
    assert "3 frames must have as many per-frame functional groups, got 2" in fault.reason


def test_enhanced_without_position_is_refused(study):
    groups = _groups(study, [(0, 0)])
    del groups["PerFrameFunctionalGroupsSequence"][0].PlanePositionSequence
    path = study.enhanced([(0, 0)], **groups)
    (fault,) = read_frames([path]).faults
    assert "ImagePositionPatient" in fault.reason


def _group(**elements):
    """A functional group: a sequence of one item."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return Sequence([made])


def _full(study, *, shared=(), without=(), per_frame=None, **header):
    """The frame of a file that has everything; groups in `shared` are all frames', those in `without` are left out."""
    groups = {
        "FrameContentSequence": _group(
            TemporalPositionIndex=8, FrameAcquisitionNumber=6, FrameAcquisitionDateTime="20200102030405", StackID="s"
        ),
        "PlanePositionSequence": _group(ImagePositionPatient=[1.0, 2.0, 3.0]),
        "PlaneOrientationSequence": _group(ImageOrientationPatient=[0.8, 0.6, 0.0, 0.0, 0.0, -1.0]),
        "PixelMeasuresSequence": _group(PixelSpacing=[2.0, 1.5], SliceThickness=6.0, SpacingBetweenSlices=9.0),
        "PixelValueTransformationSequence": _group(RescaleSlope=2.0, RescaleIntercept=-4.0),
        "CardiacSynchronizationSequence": _group(NominalCardiacTriggerDelayTime=12.5, RRIntervalTimeNominal=800.0),
        "MRImageFrameTypeSequence": _group(
            FrameType=["DERIVED", "PRIMARY", "M", "DIS2D"], ComplexImageComponent="MAGNITUDE"
        ),
        "MREchoSequence": _group(EffectiveEchoTime=1.25),
        "MRTimingAndRelatedParametersSequence": _group(RepetitionTime=38.5),
        "MRModifierSequence": _group(InversionTimes=[300.0]),
        "MRDiffusionSequence": _group(DiffusionBValue=50.0),
        "MRVelocityEncodingSequence": _group(VelocityEncodingDirection=[0.0, 0.0, 1.0]),
    }
    own, common = Dataset(), Dataset()
    for keyword, group in {**groups, **(per_frame or {})}.items():
        if keyword not in without:
            setattr(common if keyword in shared else own, keyword, group)
    stated = {
        "SOPInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3",
        "StudyInstanceUID": "1.2",
        "SeriesNumber": 5,
        "InstanceNumber": 7,
        "CardiacNumberOfImages": 30,
        "PulseSequenceName": "trufi2d1",
        "SeriesDescription": "cine sax",
        "ProtocolName": "protocol",
        "SharedFunctionalGroupsSequence": Sequence([common]),
        "PerFrameFunctionalGroupsSequence": Sequence([own]),
    }
    path = study.enhanced([(0, 0)], **(stated | header))
    (frame,) = enhanced_frames(pydicom.dcmread(path), Path("one.dcm"))
    return frame


FRAME = replace(CLASSIC_FRAME, stack_id="s", heart_rate_bpm=75.0)
TECHNIQUE = replace(CLASSIC_TECHNIQUE, velocity="0.0 0.0 1.0", sequence="trufid")
MACROS = [
    "FrameContentSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "CardiacSynchronizationSequence",
    "MRImageFrameTypeSequence",
    "MREchoSequence",
    "MRTimingAndRelatedParametersSequence",
    "MRModifierSequence",
    "MRDiffusionSequence",
    "MRVelocityEncodingSequence",
]


@pytest.mark.parametrize("shared", [(), *[(macro,) for macro in MACROS], MACROS], ids=" ".join)
def test_every_element_has_its_attribute_whether_of_a_frame_or_of_all(study, shared):
    frame = _full(study, shared=shared)
    assert frame == FRAME
    assert frame.technique == TECHNIQUE


def test_what_is_absent_is_unknown_and_values_are_as_stored(study):
    geometry = {"PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"}
    silent = [
        "SOPInstanceUID",
        "SeriesInstanceUID",
        "StudyInstanceUID",
        "SeriesNumber",
        "InstanceNumber",
        "CardiacNumberOfImages",
        "PulseSequenceName",
        "SeriesDescription",
        "ProtocolName",
    ]
    measures = {"PixelMeasuresSequence": _group(PixelSpacing=[2.0, 1.5])}
    header = dict.fromkeys(silent) | {"SOPInstanceUID": "1.2.3.4"}
    frame = _full(study, without=set(MACROS) - geometry, per_frame=measures, **header)
    kept = {name: getattr(FRAME, name) for name in ("sop_instance_uid", "position", "orientation", "pixel_spacing")}
    assert frame == Frame(path=Path("one.dcm"), frame_number=1, series_uid="", study_uid="", rows=5, columns=4, **kept)
    assert frame.technique == Technique()


@pytest.mark.parametrize(
    ("header", "without", "differs"),
    [
        (
            {"AcquisitionDate": "20200101", "AcquisitionTime": "010203"},
            ["FrameContentSequence"],
            {"acquired_at": "20200101010203", "acquisition_number": None, "stack_id": None, "temporal_index": None},
        ),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "M"], "ComplexImageComponent": "PHASE"},
            ["MRImageFrameTypeSequence"],
            {"kind": Kind("phase")},
        ),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P"], "ComplexImageComponent": "PHASE"}, [], {}),
    ],
)
def test_the_header_stands_in_for_a_group_that_is_absent(study, header, without, differs):
    assert _full(study, without=without, **header) == replace(FRAME, **differs)


def test_the_header_s_distance_between_slices_stands_in(study):
    measures = {"PixelMeasuresSequence": _group(PixelSpacing=[2.0, 1.5], SliceThickness=6.0)}
    frame = _full(study, per_frame=measures, SpacingBetweenSlices=10.0)
    assert frame == replace(FRAME, slice_spacing_mm=10.0)


def test_a_protocol_s_name_describes_where_no_series_does(study):
    assert _full(study, SeriesDescription=None).technique == replace(TECHNIQUE, description="protocol")


@pytest.mark.parametrize("converted", ["PerFrame", "Shared"])
def test_a_converted_image_has_its_elements_in_no_group(study, converted):
    """Legacy converted images keep what has no functional group as unassigned attributes."""
    left = _group(
        TriggerTime=31.0,
        NominalCardiacTriggerDelayTime=32.0,
        EchoTime=1.5,
        RepetitionTime=40.0,
        InversionTime=200.0,
        DiffusionBValue=10.0,
        HeartRate=66,
    )
    groups = {f"Unassigned{converted}ConvertedAttributesSequence": left}
    lost = ("CardiacSynchronizationSequence", *MACROS[7:11])
    frame = _full(study, without=lost, shared=groups if converted == "Shared" else (), per_frame=groups)
    assert frame == replace(FRAME, trigger_ms=31.0, heart_rate_bpm=66.0)
    assert frame.technique == replace(TECHNIQUE, echo_ms=1.5, repetition_ms=40.0, inversion_ms=200.0, b_value=10.0)
    kept = _full(study, shared=groups if converted == "Shared" else (), per_frame=groups)
    assert (kept, kept.technique) == (FRAME, TECHNIQUE)  # groups come first


@pytest.mark.parametrize(
    ("values", "pointers", "index"),
    [
        ([1, 4], ["StackID", "TemporalPositionIndex"], 4),
        ([3, 1], ["TemporalPositionTimeOffset", "StackID"], 3),
        ([1, 4], ["StackID", "InStackPositionNumber"], None),
        ([1, 4, 5], ["StackID", "TemporalPositionIndex"], None),
        ([4], ["TemporalPositionIndex"], None),  # one value alone is no list, and tells nothing that can be checked
        (None, ["TemporalPositionIndex"], None),
    ],
)
def test_a_dimension_is_taken_for_the_time_only_if_its_pointer_says_so(study, values, pointers, index):
    dimensions = Sequence([_group(DimensionIndexPointer=Tag(keyword))[0] for keyword in pointers])
    content = _group(StackID="s") if values is None else _group(StackID="s", DimensionIndexValues=values)
    frame = _full(study, per_frame={"FrameContentSequence": content}, DimensionIndexSequence=dimensions)
    assert frame.temporal_index == index


def test_frames_are_numbered_from_one_and_a_file_cut_short_is_named(study):
    path = study.enhanced([(0, 0), (1, 0)])
    header = pydicom.dcmread(path)
    assert [frame.frame_number for frame in enhanced_frames(header, path)] == [1, 2]
    header.NumberOfFrames = 3
    told = r"an enhanced image of 3 frames must have as many per-frame functional groups, got 2: the file is cut short"
    with pytest.raises(UnreadableError, match=told) as refused:
        enhanced_frames(header, path)
    assert refused.value.path == path
