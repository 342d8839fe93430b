"""Enhanced multi-frame files: functional groups to frames."""

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from pipeline.read.dicom.files import read_frames


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
