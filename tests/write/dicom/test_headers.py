"""Headers of a cine's sources: planes, references, faults of single files and of the stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from pipeline.core.errors import ConfigError, HeaderError, UnreadableError
from pipeline.core.geometry import flip_ras_lps
from pipeline.core.images import Cine
from pipeline.core.quiet import quiet_dicom
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.cine import read_cine
from pipeline.write.dicom.headers import source_headers


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(3), n_phases=2, n_slices=4, size=24, pixel_mm=10.0)


Change = Callable[[pydicom.Dataset, int], object]


def cine_of(study: PhantomStudy, folder: Path, change: Change | None = None, layout: str = "one_series") -> Cine:
    """Write the study, change every file by `change(data set, its number)`, and read it."""
    paths = write_study(study, folder, layout=layout, extras=False)
    for number, path in enumerate(paths):
        if change is not None:
            with quiet_dicom():
                dataset = pydicom.dcmread(path)
                change(dataset, number)
                dataset.save_as(path)
    return read_cine(folder)


@pytest.mark.parametrize("layout", ["one_series", "series_per_slice", "enhanced"])
def test_planes_are_those_of_the_grid(study: PhantomStudy, tmp_path: Path, layout: str) -> None:
    cine = cine_of(study, tmp_path, layout=layout)
    headers = source_headers(cine)
    assert headers.faults == ()
    lps = flip_ras_lps(cine.grid.affine)
    for row, sources in zip(headers.frames, cine.sources or (), strict=True):
        for z, (frame, source) in enumerate(zip(row, sources, strict=True)):
            np.testing.assert_allclose(frame.position, (lps @ (0, 0, z, 1))[:3], atol=1e-3)
            np.testing.assert_allclose(frame.orientation, [*lps[:3, 0] / 10.0, *lps[:3, 1] / 10.0], atol=1e-6)
            assert frame.pixel_spacing == pytest.approx((10.0, 10.0))
            assert frame.slice_thickness_mm == 8.0
            assert frame.sop_instance_uid == source.sop_instance_uid
            assert frame.frame_number == (source.frame_number if layout == "enhanced" else None)


def test_series_are_those_of_the_slices(study: PhantomStudy, tmp_path: Path) -> None:
    headers = source_headers(cine_of(study, tmp_path, layout="series_per_slice"))
    assert [len({frame.series_uid for frame in row}) for row in headers.frames] == [4, 4]
    assert headers.series_number in range(10, 14)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ("1.2.3.1{number}", "differs between files of one stack"),
        ("1.2.03", "is not valid"),
        ("", "is missing"),
        (None, "is missing"),
    ],
)
def test_a_faulty_frame_of_reference_is_made_anew(
    study: PhantomStudy, tmp_path: Path, stated: str | None, reason: str
) -> None:
    def change(dataset: pydicom.Dataset, number: int) -> None:
        dataset.pop("FrameOfReferenceUID")
        if stated is not None:
            dataset.FrameOfReferenceUID = stated.format(number=number)

    cine = cine_of(study, tmp_path, change)
    first, again = source_headers(cine), source_headers(cine, pseudonym="P-1")
    assert first.faults == (f"FrameOfReferenceUID {reason}: the objects made from it share a new one",)
    assert UID(first.subject.FrameOfReferenceUID).is_valid
    assert first.subject.FrameOfReferenceUID == again.subject.FrameOfReferenceUID


def test_invalid_identifiers_are_kept_and_told_once(study: PhantomStudy, tmp_path: Path) -> None:
    cine = cine_of(study, tmp_path, lambda dataset, n: setattr(dataset, "SOPInstanceUID", f"1.2.0{n + 1}"))
    headers = source_headers(cine)
    assert headers.faults == ("SOPInstanceUID is not valid: kept, so that the objects stay with their images",)
    assert {frame.sop_instance_uid for row in headers.frames for frame in row} == {f"1.2.0{n + 1}" for n in range(8)}


@pytest.mark.parametrize("thickness", [None, "0"])
def test_a_missing_thickness_is_the_slice_distance(study: PhantomStudy, tmp_path: Path, thickness: str | None) -> None:
    def change(dataset: pydicom.Dataset, _: int) -> None:
        dataset.pop("SliceThickness")
        if thickness is not None:
            dataset.SliceThickness = thickness

    headers = source_headers(cine_of(study, tmp_path, change))
    assert "SliceThickness is missing" in headers.faults[0]
    assert headers.frames[0][0].slice_thickness_mm == pytest.approx(10.0, abs=1e-4)


@pytest.mark.parametrize("number", [None, "", "2147483000", "-5"])
def test_an_odd_series_number_counts_as_none(study: PhantomStudy, tmp_path: Path, number: str | None) -> None:
    cine = cine_of(study, tmp_path, lambda dataset, _: setattr(dataset, "SeriesNumber", number))
    assert source_headers(cine).series_number == 0


def test_what_is_refused(study: PhantomStudy, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another format"):
        source_headers(study.image)
    with pytest.raises(HeaderError, match="one PatientID, got 2"):
        source_headers(cine_of(study, tmp_path / "two", lambda d, n: setattr(d, "PatientID", f"P{n % 2}")))
    with pytest.raises(HeaderError, match="SeriesInstanceUID"):
        source_headers(cine_of(study, tmp_path / "none", lambda d, _: d.pop("SeriesInstanceUID")))
    cine = cine_of(study, tmp_path / "gone")
    (tmp_path / "gone" / "IM00000").unlink()
    with pytest.raises(UnreadableError, match="stay readable"):
        source_headers(cine)
    with pytest.raises(HeaderError, match="ImagePositionPatient as 3 numbers"):
        source_headers(_without_plane(cine_of(study, tmp_path / "moved")))


def _without_plane(cine: Cine) -> Cine:
    """The cine, after its files have lost their places."""
    for path in {source.path for row in cine.sources or () for source in row}:
        dataset = pydicom.dcmread(path)
        del dataset.ImagePositionPatient
        dataset.save_as(path)
    return replace(cine)


def test_sunnybrook(cmr_data: Path) -> None:
    headers = source_headers(read_cine(cmr_data / "sunnybrook" / "dicom" / "SCD0000101"))
    assert {fault.split(" ")[0] for fault in headers.faults} == {
        "PatientBirthDate",
        "StudyDate",
        "ReferringPhysicianName",
        "FrameOfReferenceUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
    }
    assert len(headers.faults) == 7
    assert "SCD0000101" not in " ".join(headers.faults)
