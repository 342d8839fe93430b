"""DICOM segmentations: what is written decodes to the labels, lies on its sources, and passes the checker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from pipeline.core.errors import ConfigError, GridError, LabelError
from pipeline.core.geometry import Grid, flip_ras_lps
from pipeline.core.images import Cine
from pipeline.core.labels import STRUCTURES
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import LAYOUTS, write_study
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.cine import read_cine
from pipeline.read.dicom.segmentation import read_segmentation
from pipeline.write.dicom import seg as dicom_seg
from pipeline.write.dicom.headers import source_headers
from pipeline.write.dicom.seg import Algorithm, write_segmentation, write_segmentations

Checker = Callable[[Path, str], list[str]]
ALGORITHM = Algorithm("some_bundle", "1.2.3", weights_sha256="ab" * 32)
ED, ES = 0, 2


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(3), n_phases=4, n_slices=6, size=40, pixel_mm=6.0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_decodes_to_its_labels(
    study: PhantomStudy, cines: dict[str, Cine], tmp_path: Path, layout: str
) -> None:
    cine, labels = cines[layout], study.label.array[: cines[layout].n_phases]
    phase = cine.n_phases - 1
    path = write_segmentation(tmp_path / "new" / "seg.dcm", cine, labels, phase=phase, algorithm=ALGORITHM)
    assert [file.name for file in path.parent.iterdir()] == ["seg.dcm"]
    volume = hd.seg.segread(path).get_volume(combine_segments=True, skip_overlap_checks=False)
    for index in np.ndindex(*volume.array.shape):  # highdicom's own geometry must find each label on our grid
        if volume.array[index]:
            place = np.linalg.solve(flip_ras_lps(cine.grid.affine), volume.affine @ (*index, 1))[:3]
            assert labels[(phase, *np.round(place).astype(int))] == volume.array[index]
    assert np.bincount(volume.array.ravel(), minlength=4)[1:].tolist() == [
        int((labels[phase] == value).sum()) for value in (1, 2, 3)
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_checker_finds_no_error(
    study: PhantomStudy, cines: dict[str, Cine], tmp_path: Path, layout: str, checker_errors: Checker
) -> None:
    labels = study.label.array[: cines[layout].n_phases]
    path = write_segmentation(tmp_path / "seg.dcm", cines[layout], labels, phase=0, algorithm=ALGORITHM)
    assert checker_errors(path, "Segmentation") == []


def _replan(folder: Path, level: int, *, degrees: float, shift_mm: float) -> None:
    """Tilt one slice of a study about its rows, through its middle, and move it along the stack."""
    files = {path: pydicom.dcmread(path) for path in folder.iterdir()}
    normal = np.cross(*np.reshape(next(iter(files.values())).ImageOrientationPatient, (2, 3)))
    where = {path: float(normal @ np.array(file.ImagePositionPatient, dtype=float)) for path, file in files.items()}
    wanted = sorted({round(mm, 3) for mm in where.values()})[level]
    for path, file in files.items():
        if abs(where[path] - wanted) < 0.01:
            rows, columns = np.reshape(np.array(file.ImageOrientationPatient, dtype=float), (2, 3))
            angle = np.deg2rad(degrees)
            turned = np.cos(angle) * columns + np.sin(angle) * normal
            half_mm = float(file.PixelSpacing[0]) * (file.Rows - 1) / 2
            corner = np.array(file.ImagePositionPatient, dtype=float) + half_mm * (columns - turned) + shift_mm * normal
            file.ImageOrientationPatient = [f"{value:.8f}" for value in (*rows, *turned)]
            file.ImagePositionPatient = [f"{value:.6f}" for value in corner]
            file.save_as(path)


def test_slices_planned_anew_keep_their_planes(study: PhantomStudy, tmp_path: Path, checker_errors: Checker) -> None:
    folder = tmp_path / "study"
    write_study(study, folder, extras=False)
    _replan(folder, 3, degrees=2.0, shift_mm=1.5)
    cine = read_cine(folder)
    assert cine.grid.spans_mm is not None
    path = write_segmentation(tmp_path / "seg.dcm", cine, study.label.array, phase=0, algorithm=ALGORITHM)
    written = pydicom.dcmread(path)
    sources = {source.sop_instance_uid: source for source in cine.sources[0]}
    assert "PlaneOrientationSequence" not in written.SharedFunctionalGroupsSequence[0]
    for group in written.PerFrameFunctionalGroupsSequence:
        source = sources[group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        orientation = group.PlaneOrientationSequence[0].ImageOrientationPatient
        np.testing.assert_allclose(np.array(orientation, dtype=float), source.orientation, atol=1e-6)
        position = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(np.array(position, dtype=float), source.position, atol=1e-4)
    np.testing.assert_array_equal(read_segmentation(path, cine, phase=0)[0], study.label.array[0])
    assert checker_errors(path, "Segmentation") == []


def test_frames_refer_to_their_images(study: PhantomStudy, cines: dict[str, Cine], tmp_path: Path) -> None:
    for layout, cine in cines.items():
        labels = study.label.array[: cine.n_phases]
        dataset = pydicom.dcmread(
            write_segmentation(tmp_path / f"{layout}.dcm", cine, labels, phase=0, algorithm=ALGORITHM)
        )
        sources = (cine.sources or ())[0]
        lps = flip_ras_lps(cine.grid.affine)
        for group in dataset.PerFrameFunctionalGroupsSequence:
            source = group.DerivationImageSequence[0].SourceImageSequence[0]
            position = group.PlanePositionSequence[0].ImagePositionPatient
            z = round(np.linalg.solve(lps, (*position, 1))[2])
            assert source.ReferencedSOPInstanceUID == sources[z].sop_instance_uid
            assert source.get("ReferencedFrameNumber", 1) == sources[z].frame_number
        referred = {
            i.ReferencedSOPInstanceUID for s in dataset.ReferencedSeriesSequence for i in s.ReferencedInstanceSequence
        }
        assert referred == {source.sop_instance_uid for source in sources}
        n_series = 6 if layout == "series_per_slice" else 1
        assert len(dataset.ReferencedSeriesSequence) == n_series


def test_it_states_what_it_is(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(
        write_segmentation(tmp_path / "s.dcm", cine, study.label.array, phase=ES, algorithm=ALGORITHM)
    )
    source = pydicom.dcmread((cine.sources or ())[0][0].path)
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "FrameOfReferenceUID"):
        assert dataset[keyword].value == source[keyword].value
    assert dataset.SeriesInstanceUID != source.SeriesInstanceUID
    assert (dataset.Modality, dataset.SegmentationType, dataset.SeriesNumber) == ("SEG", "BINARY", 10 + 1000 + ES)
    assert "Not for diagnosis" in dataset.SeriesDescription
    for structure, segment in zip(STRUCTURES, dataset.SegmentSequence, strict=True):
        assert segment.SegmentNumber == structure.value
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == structure.snomed
        assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "91723000"
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        identification = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert (identification.AlgorithmName, identification.AlgorithmVersion) == ("some_bundle", "1.2.3")
        colour = hd.color.CIELabColor(*_lab(segment.RecommendedDisplayCIELabValue)).to_rgb()
        assert colour == pytest.approx(structure.rgb, abs=1)


def _lab(stored: list[int]) -> tuple[float, float, float]:
    """L*, a*, b* of a stored 16-bit colour (PS3.3 C.10.7.1.1)."""
    lightness, a, b = (value / 65535 for value in stored)
    return lightness * 100, a * 255 - 128, b * 255 - 128


def test_corrected_labels_say_so(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    corrected = replace(ALGORITHM, corrected=True)
    path = write_segmentation(tmp_path / "s.dcm", cine, study.label.array, phase=0, algorithm=corrected)
    assert {s.SegmentAlgorithmType for s in pydicom.dcmread(path).SegmentSequence} == {"SEMIAUTOMATIC"}


def test_named_phases_have_a_file_and_a_series_each(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    written = write_segmentations(
        tmp_path, cine, study.label.array, phases={"ed": ED, "es": ES, "phase_02": ES}, algorithm=ALGORITHM
    )
    assert {name: path.name for name, path in written.items()} == {
        "ed": "seg_ed.dcm",
        "es": "seg_es.dcm",
        "phase_02": "seg_phase_02.dcm",
    }
    datasets = {name: pydicom.dcmread(path, stop_before_pixels=True) for name, path in written.items()}
    assert len({dataset.SeriesInstanceUID for dataset in datasets.values()}) == 3
    assert len({dataset.FrameOfReferenceUID for dataset in datasets.values()}) == 1
    assert datasets["ed"].SeriesDescription == "Segmentation, end diastole. Not for diagnosis."
    single = write_segmentations(tmp_path, cine, study.label.array, phases={"single": 0}, algorithm=ALGORITHM)
    assert single["single"].name == "seg.dcm"


def test_a_structure_that_is_not_there_has_no_frame(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    labels = study.label.array.copy()
    labels[labels == 3] = 0
    path = write_segmentation(tmp_path / "s.dcm", cine, labels, phase=0, algorithm=ALGORITHM)
    read = hd.seg.segread(path)
    assert read.segment_numbers == [1, 2, 3]
    numbers = [
        g.SegmentIdentificationSequence[0].ReferencedSegmentNumber for g in read.PerFrameFunctionalGroupsSequence
    ]
    assert sorted(set(numbers)) == [1, 2]
    drawn = [(labels[0, :, :, z] == value).any() for value in (1, 2) for z in range(cine.n_slices)]
    assert len(numbers) == sum(drawn)  # empty frames are left out


def test_a_pseudonym_stands_for_the_patient(
    study: PhantomStudy, cine: Cine, tmp_path: Path, checker_errors: Checker
) -> None:
    headers = source_headers(cine, pseudonym="P-1")
    path = write_segmentations(
        tmp_path, cine, study.label.array, phases={"ed": 0}, algorithm=ALGORITHM, headers=headers
    )["ed"]
    dataset = pydicom.dcmread(path)
    assert (dataset.PatientID, dataset.PatientName, dataset.StudyDate) == ("P-1", "P-1", "")
    assert "PHANTOM" not in str(dataset)
    assert checker_errors(path, "Segmentation") == []


def test_what_is_refused(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    labels, path = study.label.array, tmp_path / "s.dcm"

    def write(what: Cine, values: np.ndarray, phase: int = 0) -> None:
        write_segmentation(path, what, values, phase=phase, algorithm=ALGORITHM)

    with pytest.raises(ConfigError, match="another format"):
        write(study.image, labels)
    with pytest.raises(ConfigError, match="0 to 3, got 4"):
        write(cine, labels, phase=4)
    with pytest.raises(GridError, match="as the cine"):
        write(cine, labels[0])
    with pytest.raises(LabelError, match="255"):
        write(cine, np.where(labels == 0, np.uint8(255), labels))
    with pytest.raises(LabelError, match="not all 0"):
        write(cine, np.zeros_like(labels))
    with pytest.raises(LabelError, match="uint8"):
        write(cine, labels.astype(np.int16))
    moved = cine.grid.affine.copy()
    moved[:3, 3] += 5.0
    with pytest.raises(GridError, match="on the cine's grid"):
        write(replace(cine, grid=Grid(cine.grid.shape, moved)), labels)
    assert not list(tmp_path.iterdir())


def test_a_file_that_does_not_decode_to_its_labels_never_appears(
    study: PhantomStudy, cine: Cine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = dicom_seg.build_segmentation

    def shift_pixels(picture: np.ndarray, *rest: object) -> hd.seg.Segmentation:
        return build(np.roll(picture, 1, axis=2), *rest)

    def shift_planes(picture: np.ndarray, *rest: object) -> hd.seg.Segmentation:
        built = build(picture, *rest)
        built.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient[0] += 1
        return built

    for fault, error in ((shift_pixels, LabelError), (shift_planes, GridError)):
        monkeypatch.setattr(dicom_seg, "build_segmentation", fault)
        with pytest.raises(error, match="decode"):
            write_segmentation(tmp_path / "s.dcm", cine, study.label.array, phase=0, algorithm=ALGORITHM)
    assert not list(tmp_path.iterdir())


def test_sunnybrook(cmr_data: Path, tmp_path: Path, checker_errors: Checker) -> None:
    cine = read_cine(cmr_data / "sunnybrook" / "dicom" / "SCD0000101")
    labels = np.zeros(cine.array.shape, dtype=np.uint8)
    labels[4, 100:140, 90:150, 2:9], labels[4, 110:130, 100:140, 3:8] = 2, 1
    path = write_segmentation(tmp_path / "s.dcm", cine, labels, phase=4, algorithm=ALGORITHM)
    kept = ("Leading zeroes", "Dicom dataset contains invalid data values")  # the sources' own UIDs, and their sum
    assert [line for line in checker_errors(path, "Segmentation") if not any(words in line for words in kept)] == []


def test_an_enhanced_image_from_a_scanner(cmr_data: Path, tmp_path: Path, checker_errors: Checker) -> None:
    cine = read_cine(cmr_data / "dicom_samples" / "enhanced_siemens_xa" / "6_1.dcm")
    labels = np.zeros(cine.array.shape, dtype=np.uint8)
    labels[0, 20:40, 25:50], labels[0, 25:30, 30:40] = 2, 1
    path = write_segmentation(tmp_path / "s.dcm", cine, labels, phase=0, algorithm=ALGORITHM)
    assert checker_errors(path, "Segmentation") == []
