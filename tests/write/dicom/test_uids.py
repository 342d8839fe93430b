"""UIDs of objects: the same content, the same UIDs; and every tool can read what refers to images with invalid ones."""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from pipeline.core.case import BundleRecord, Case, Provenance
from pipeline.core.images import Cine
from pipeline.core.quiet import quiet_dicom
from pipeline.measure.study import measure_study
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.cine import read_cine
from pipeline.write.dicom.encapsulated import write_encapsulated_pdf
from pipeline.write.dicom.headers import source_headers
from pipeline.write.dicom.seg import write_segmentations
from pipeline.write.dicom.seg_build import algorithm_of
from pipeline.write.dicom.sr import write_measurement_report
from pipeline.write.dicom.uids import give_uids, is_readable


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(3), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)


@pytest.fixture(scope="module")
def case(study: PhantomStudy, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("study")
    write_study(study, folder, extras=False)
    return make_case(study, read_cine(folder))


def make_case(study: PhantomStudy, cine: Cine) -> Case:
    labels = study.label.array[: cine.n_phases]
    made_by = Provenance({}, BundleRecord("some_bundle", "1.2.3", "ab" * 32), {})
    return Case("a", cine, labels, measure_study(cine, labels), made_by)


def write(folder: Path, case: Case) -> dict[str, Dataset]:
    """The objects of a case by their names."""
    headers, measured = source_headers(case.cine, pseudonym=case.pseudonym), case.measurements
    phases = {"ed": int(measured.ed_phase or 0), "es": int(measured.es_phase or 0)}
    made = {"phases": phases, "algorithm": algorithm_of(case), "headers": headers}
    files = write_segmentations(folder, case.cine, case.labels, **made)
    files["sr"] = write_measurement_report(folder / "sr.dcm", case, segmentations=dict(files), headers=headers)
    with quiet_dicom():
        return {name: pydicom.dcmread(path) for name, path in files.items()}


@pytest.fixture(scope="module")
def objects(case: Case, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    return write(tmp_path_factory.mktemp("first"), case)


def uids(objects: dict[str, Dataset]) -> dict[str, tuple[str, str]]:
    return {name: (str(one.SOPInstanceUID), str(one.SeriesInstanceUID)) for name, one in objects.items()}


def test_the_same_case_gives_the_same_uids_and_each_object_a_series_of_its_own(
    case: Case, objects: dict[str, Dataset], tmp_path: Path
) -> None:
    first = uids(objects)
    every = [uid for pair in first.values() for uid in pair]
    assert len(set(every)) == len(every) == 6
    assert all(UID(uid).is_valid and uid.startswith("2.25.") for uid in every)

    again = write(tmp_path, case)
    assert uids(again) == first
    _assert_only_the_moment_differs(objects, again)


def _assert_only_the_moment_differs(first: dict[str, Dataset], again: dict[str, Dataset]) -> None:
    """So no other UID within an object is made by chance either."""
    for name, one in copy.deepcopy(first).items():
        for written in (one, again[name]):
            for keyword in ("InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime"):
                delattr(written, keyword)
            for equipment in written.get("ContributingEquipmentSequence", ()):
                equipment.pop("ContributionDateTime", None)
        assert one.to_json_dict() == again[name].to_json_dict()
        assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID


def other_labels(case: Case) -> Case:
    labels = case.labels.copy()
    phase = int(case.measurements.ed_phase or 0)
    x, y, z = (labels[phase] == 1).nonzero()
    labels[phase, x[0], y[0], z[0]] = 2
    return replace(case, labels=labels, measurements=measure_study(case.cine, labels), corrected=True)


def other_weights(case: Case) -> Case:
    made_by = replace(case.provenance, bundle=replace(case.provenance.bundle, weights_sha256="cd" * 32))
    return replace(case, provenance=made_by)


@pytest.mark.parametrize("change", [other_labels, other_weights, lambda case: replace(case, pseudonym="P-1")])
def test_another_content_gives_other_uids(
    case: Case, objects: dict[str, Dataset], tmp_path: Path, change: Callable[[Case], Case]
) -> None:
    first, other = uids(objects), uids(write(tmp_path, change(case)))
    assert first["ed"] != other["ed"]
    assert first["sr"] != other["sr"]
    assert not set(first["sr"]) & set(other["sr"])


def test_a_patient_does_not_enter_a_uid_under_a_pseudonym(study: PhantomStudy, tmp_path: Path) -> None:
    """The same images under another name and PatientID: who was scanned cannot be tried on a UID."""
    found = []
    for number, patient in enumerate(("Doe^Jane", "Roe^Richard")):
        for path in write_study(study, tmp_path / str(number), extras=False):
            header = pydicom.dcmread(path)
            header.PatientName, header.PatientID, header.PatientBirthDate = patient, f"ID{number}", "19500101"
            header.save_as(path)
        named = make_case(study, read_cine(tmp_path / str(number)))
        found.append(uids(write(tmp_path / f"out{number}", replace(named, pseudonym="P-1"))))
        found.append(uids(write(tmp_path / f"open{number}", named)))
    assert found[0] == found[2]
    assert found[1] != found[3]


def test_an_item_within_counts() -> None:
    def made(number: int) -> Dataset:
        item, one = Dataset(), Dataset()
        item.ReferencedSegmentNumber = number
        one.SOPInstanceUID = one.SeriesInstanceUID = "1.2"
        one.ReferencedImageSequence = [item]
        give_uids(one)
        return one

    assert made(1).SOPInstanceUID == made(1).SOPInstanceUID != made(2).SOPInstanceUID


LEADING_ZERO, TOO_LONG, LETTERS = "1.2.0{}", "1.2." + "3" * 60 + ".{}", "1.2.x{}"


def n_numbers(item: Dataset) -> int:
    return (item.get("ValueType") == "NUM") + sum(map(n_numbers, item.get("ContentSequence", ())))


@pytest.mark.parametrize(
    ("where", "form"),
    [
        ("all", LEADING_ZERO),
        ("half", TOO_LONG),
        ("series and half", LETTERS),
        ("everywhere", LEADING_ZERO),
    ],
)
def test_a_report_of_images_with_invalid_uids_is_read_by_dcmtk(
    study: PhantomStudy, tmp_path: Path, where: str, form: str
) -> None:
    def spoil(header: Dataset, number: int) -> None:
        if where in ("all", "everywhere") or number % 2:
            header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = form.format(number + 1)
        if where in ("series and half", "everywhere"):
            header.SeriesInstanceUID = form.format(901)
        if where == "everywhere":
            header.StudyInstanceUID = form.format(900)

    with quiet_dicom():
        for number, path in enumerate(write_study(study, tmp_path / "study", extras=False)):
            header = pydicom.dcmread(path)
            spoil(header, number)
            header.save_as(path, enforce_file_format=False)
    case = make_case(study, read_cine(tmp_path / "study"))
    objects = write(tmp_path / "out", case)  # without a warning
    write_encapsulated_pdf(tmp_path / "out" / "pdf.dcm", b"%PDF-1.4", headers=source_headers(case.cine), phases=[0, 1])
    with quiet_dicom():
        referred = {
            str(item.ReferencedSOPInstanceUID)
            for group in objects["ed"].PerFrameFunctionalGroupsSequence
            for item in group.DerivationImageSequence[0].SourceImageSequence
        }
    assert any(not is_readable(uid) for uid in referred)  # the segmentation still refers to the very images
    with quiet_dicom():
        groups = hd.sr.srread(tmp_path / "out" / "sr.dcm").content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 6
    if shutil.which("dsrdump") is None:
        pytest.skip("needs dsrdump, of the Debian package dcmtk")
    ran = subprocess.run(["dsrdump", str(tmp_path / "out" / "sr.dcm")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("NUM:(") == n_numbers(objects["sr"]) > 6
