"""The report as a PDF and as a DICOM object: the numbers are in it, the same case gives the same bytes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import UID

from pipeline.core.case import Case
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import PhantomStudy
from pipeline.read.cine import read_cine
from pipeline.write.dicom.encapsulated import write_encapsulated_pdf
from pipeline.write.dicom.headers import SourceHeaders, source_headers
from pipeline.write.pages.pdf import pdf_report


@pytest.fixture
def case(phantom: PhantomStudy, measured: dict[str, Any], as_case: Callable[..., Case]) -> Case:
    return as_case(phantom.image, measured, phantom.label.array)


@pytest.fixture(scope="module")
def headers(phantom: PhantomStudy, tmp_path_factory: pytest.TempPathFactory) -> SourceHeaders:
    folder = tmp_path_factory.mktemp("study")
    write_study(phantom, folder, extras=False)
    return source_headers(read_cine(folder))


def words_of(pdf: bytes, folder: Path) -> str:
    """What pdftotext reads, each run of spaces as one."""
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext, of the Debian package poppler-utils")
    path = folder / "report.pdf"
    path.write_bytes(pdf)
    ran = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True)
    return " ".join(ran.stdout.split())


def test_numbers_verdict_and_limits_are_in_it(case: Case, measured: dict[str, Any], tmp_path: Path) -> None:
    words = words_of(pdf_report(case), tmp_path)
    left, right = measured["left_ventricle"], measured["right_ventricle"]
    assert f"End-diastolic volume {left['edv_ml']:.1f} ml {right['edv_ml']:.1f} ml" in words
    assert f"Ejection fraction {left['ef_percent']:.1f} % {right['ef_percent']:.1f} %" in words
    assert "Myocardial mass at ED" in words
    assert "61.25 g" in words  # per square metre
    assert "Quality checks: fail" in words
    assert "fail: A gap." in words
    assert words.count("NOT FOR DIAGNOSIS") >= 2  # on each page
    assert "the localiser was left out" in words
    assert "papillary muscles count as cavity" in words
    assert "some_bundle" in words or "ventricles_mr_segmentation_unet" in words
    assert case.name not in words


def test_intervals_stand_beside_their_numbers(
    phantom: PhantomStudy,
    measured: dict[str, Any],
    calibrate: Callable[[dict[str, Any]], None],
    as_case: Callable[..., Case],
    tmp_path: Path,
) -> None:
    without = words_of(pdf_report(as_case(phantom.image, measured, phantom.label.array)), tmp_path)
    assert "not calibrated, and too high" in without
    assert "In brackets" not in without
    calibrate(measured)
    words = words_of(pdf_report(as_case(phantom.image, measured, phantom.label.array)), tmp_path)
    assert f"{measured['left_ventricle']['edv_ml']:.1f} ml (111.2 to 134.8)" in words
    assert "where an expert's number would lie in 90 of 100 patients" in words
    assert "phases shown (calibrated)" in words


def test_the_same_case_gives_the_same_bytes_and_other_numbers_others(case: Case) -> None:
    first = pdf_report(case)
    assert pdf_report(replace(case, name="elsewhere")) == first
    other = replace(case, measurements=replace(case.measurements, myocardial_mass_g=99.0))
    assert pdf_report(other) != first


def test_who_was_scanned_is_printed_on_request_alone_and_text_is_no_markup(case: Case, tmp_path: Path) -> None:
    notes = ["<b>bold</b> & <unclosed", "a\x07bell", "x" * 400, *["a long list of notes goes on"] * 120]
    words = words_of(pdf_report(case, identity={"name": "Doe^Jané <x>"}, notes=notes), tmp_path)
    assert "Doe^Jané <x>" in words
    assert "<b>bold</b> & <unclosed" in words
    assert words.count("a long list of notes goes on") == 120
    assert "the localiser was left out" not in words
    assert "Doe" not in words_of(pdf_report(case), tmp_path)


def test_the_object_holds_the_same_pdf_and_passes_the_checker(
    case: Case, headers: SourceHeaders, tmp_path: Path, checker_errors: Callable[[Path, str], list[str]]
) -> None:
    pdf = pdf_report(case)
    path = write_encapsulated_pdf(tmp_path / "one.dcm", pdf, headers=headers, phases=(0, 2))
    made = pydicom.dcmread(path)
    assert made.EncapsulatedDocument[: made.EncapsulatedDocumentLength] == pdf
    assert made.StudyInstanceUID == headers.subject.StudyInstanceUID
    assert made.PatientID == headers.subject.PatientID
    assert made.BurnedInAnnotation == "NO"
    sources = {frame.sop_instance_uid for phase in (0, 2) for frame in headers.frames[phase]}
    assert {item.ReferencedSOPInstanceUID for item in made.SourceInstanceSequence} == sources
    assert checker_errors(path, "EncapsulatedPDF") == []
    again = pydicom.dcmread(write_encapsulated_pdf(tmp_path / "two.dcm", pdf, headers=headers, phases=(0, 2)))
    assert (again.SOPInstanceUID, again.SeriesInstanceUID) == (made.SOPInstanceUID, made.SeriesInstanceUID)
    assert UID(made.SOPInstanceUID).is_valid
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    other = pydicom.dcmread(write_encapsulated_pdf(tmp_path / "three.dcm", pdf + b"\n", headers=headers, phases=(0, 2)))
    assert other.SOPInstanceUID != made.SOPInstanceUID
