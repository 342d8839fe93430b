"""Segmentations read onto the cine: what was written, what other tools make of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.dataset import Dataset

from pipeline.core.errors import ConfigError, GridError, HeaderError, LabelError, PipelineError, UnreadableError
from pipeline.core.images import Cine
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import LAYOUTS
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.dicom.segmentation import read_segmentation
from pipeline.write.dicom.seg import Algorithm, write_segmentation

ALGORITHM = Algorithm("some_bundle", "1.2.3")
PHASE = 2


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(3), n_phases=3, n_slices=5, size=18, pixel_mm=13.0)


@pytest.fixture
def written(study: PhantomStudy, cine: Cine, tmp_path: Path) -> Path:
    return write_segmentation(tmp_path / "s.dcm", cine, study.label.array, phase=PHASE, algorithm=ALGORITHM)


def changed(path: Path, change: Callable[[Dataset], object]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_write_then_read_is_identity(cines: dict[str, Cine], tmp_path: Path, layout: str, data: st.DataObject) -> None:
    cine = cines[layout]
    drawn = data.draw(arrays(np.uint8, cine.array.shape, elements=st.integers(0, 3)))
    phase = data.draw(st.integers(0, cine.n_phases - 1))
    drawn[phase, 0, 0, 0] = 1  # an empty segmentation is refused
    path = write_segmentation(tmp_path / "s.dcm", cine, drawn, phase=phase, algorithm=ALGORITHM)
    found = read_segmentation(path, cine)
    assert list(found) == [phase]
    np.testing.assert_array_equal(found[phase], drawn[phase])
    assert found[phase].dtype == np.uint8


def test_segments_are_told_by_their_codes(study: PhantomStudy, cine: Cine, written: Path) -> None:
    def renumber(dataset: Dataset) -> None:
        """Number the segments 3, 2, 1, name them otherwise, and code one in the retired form of SNOMED."""
        for segment in dataset.SegmentSequence:
            segment.SegmentNumber, segment.SegmentLabel = 4 - segment.SegmentNumber, "Segment"
        for group in dataset.PerFrameFunctionalGroupsSequence:
            item = group.SegmentIdentificationSequence[0]
            item.ReferencedSegmentNumber = 4 - item.ReferencedSegmentNumber
        code = dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
        code.CodeValue, code.CodingSchemeDesignator = "T-32600", "SRT"

    found = read_segmentation(changed(written, renumber), cine)
    np.testing.assert_array_equal(found[PHASE], study.label.array[PHASE])


def test_a_label_map_object_is_read(study: PhantomStudy, cine: Cine, tmp_path: Path, written: Path) -> None:
    binary = hd.seg.segread(written)
    sources = [pydicom.dcmread(source.path) for source in (cine.sources or ())[PHASE]]
    made = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=study.label.array[PHASE].transpose(2, 1, 0),
        segmentation_type="LABELMAP",
        segment_descriptions=[binary.get_segment_description(number) for number in (1, 2, 3)],
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="another tool",
        manufacturer_model_name="model",
        software_versions="1",
        device_serial_number="1",
    )
    made.save_as(tmp_path / "other.dcm")
    np.testing.assert_array_equal(read_segmentation(tmp_path / "other.dcm", cine)[PHASE], study.label.array[PHASE])


def without_references(dataset: Dataset) -> None:
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.DerivationImageSequence = []


def test_without_references_the_position_tells_the_slice(
    study: PhantomStudy, cines: dict[str, Cine], cine: Cine, written: Path, tmp_path: Path
) -> None:
    changed(written, without_references)
    np.testing.assert_array_equal(read_segmentation(written, cine, phase=1)[1], study.label.array[PHASE])
    with pytest.raises(HeaderError, match="none of the cine's images"):
        read_segmentation(written, cine)
    static, labels = cines["static"], study.label.array[:1]
    path = write_segmentation(tmp_path / "one.dcm", static, labels, phase=0, algorithm=ALGORITHM)
    np.testing.assert_array_equal(read_segmentation(changed(path, without_references), static)[0], labels[0])


def test_references_to_several_phases_need_one_named(study: PhantomStudy, cine: Cine, written: Path) -> None:
    other = {
        row[z].sop_instance_uid: (cine.sources or ())[0][z].sop_instance_uid
        for row in cine.sources or ()
        for z in range(5)
    }

    def refer_twice(dataset: Dataset) -> None:
        for group in dataset.PerFrameFunctionalGroupsSequence:
            sources = group.DerivationImageSequence[0].SourceImageSequence
            second = Dataset()
            second.update(sources[0])
            second.ReferencedSOPInstanceUID = other[sources[0].ReferencedSOPInstanceUID]
            sources.append(second)

    changed(written, refer_twice)
    with pytest.raises(HeaderError, match=r"refers to phases \[0, 2\]"):
        read_segmentation(written, cine)
    with pytest.raises(HeaderError, match=r"refers to phases \[0, 2\]"):
        read_segmentation(written, cine, phase=1)
    np.testing.assert_array_equal(read_segmentation(written, cine, phase=0)[0], study.label.array[PHASE])


def _shift(dataset: Dataset) -> None:
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.PlanePositionSequence[0].ImagePositionPatient[2] += 3


def _swap(dataset: Dataset) -> None:
    first, second = dataset.PerFrameFunctionalGroupsSequence[:2]
    first.PlanePositionSequence, second.PlanePositionSequence = (
        second.PlanePositionSequence,
        first.PlanePositionSequence,
    )


def _flip(dataset: Dataset) -> None:
    plane = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    plane.ImageOrientationPatient = [-value for value in plane.ImageOrientationPatient]


def _stretch(dataset: Dataset) -> None:
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [13.0, 12.5]


def _recode(dataset: Dataset) -> None:
    dataset.SegmentSequence[1].SegmentedPropertyTypeCodeSequence[0].CodeValue = "80891009"


def _misnumber(dataset: Dataset) -> None:
    dataset.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9


def _overlap(dataset: Dataset) -> None:
    """Show the first segment's frames as the third's once more."""
    groups = dataset.PerFrameFunctionalGroupsSequence
    for group in groups:
        item = group.SegmentIdentificationSequence[0]
        if item.ReferencedSegmentNumber == 3:
            item.ReferencedSegmentNumber = 1
    pixels = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    dataset.PixelData = np.packbits(np.ones_like(pixels), bitorder="little").tobytes()


def _pretend(**elements: object) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (_shift, GridError, "one slice of the cine"),
        (_swap, GridError, "one slice of the cine"),
        (_flip, GridError, "rows and columns must run"),
        (_stretch, GridError, "spacing"),
        (_recode, LabelError, "segment 2 is 80891009 SCT"),
        (_misnumber, LabelError, "described, got segment"),
        (_overlap, LabelError, "must not overlap"),
        (_pretend(StudyInstanceUID="1.2.3"), HeaderError, "the cine's study"),
        (_pretend(SegmentationType="FRACTIONAL"), LabelError, "BINARY or LABELMAP"),
        (_pretend(SegmentSequence=None), LabelError, "described, got segment"),
        (_pretend(PixelData=b"\0\0"), UnreadableError, "must decode"),
        (_pretend(PerFrameFunctionalGroupsSequence=None), UnreadableError, "must decode"),
    ],
)
def test_what_is_refused(
    cine: Cine, written: Path, change: Callable[[Dataset], None], error: type[PipelineError], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        read_segmentation(changed(written, change), cine)
    assert "s.dcm" in str(raised.value)


def test_other_files_and_cines_are_refused(cine: Cine, written: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="must decode"):
        read_segmentation((cine.sources or ())[0][0].path, cine)
    (tmp_path / "text.dcm").write_text("no DICOM")
    with pytest.raises(UnreadableError, match="must decode"):
        read_segmentation(tmp_path / "text.dcm", cine)
    with pytest.raises(ConfigError, match="0 to 2, got 3"):
        read_segmentation(written, cine, phase=3)
    cropped = replace(cine, array=cine.array[:, :-1], grid=replace(cine.grid, shape=(17, 18, 5)))
    with pytest.raises(GridError, match="18 x 17 pixels, got 18 x 18"):
        read_segmentation(written, cropped)
