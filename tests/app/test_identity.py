"""Sentences that go where only a pseudonym may."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest

from pipeline.app.identity import conceal, conceal_source, identity_of
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine, SourceFrame, StudyFacts

FILES = [Path("/in/Doe Jane/cine/IM-1.dcm"), Path("/in/Doe Jane/cine/2")]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("is cut short [/in/Doe Jane/cine/IM-1.dcm]", "is cut short [...]"),
        ("a phase is missing [/in/Doe Jane]", "a phase is missing [...]"),
        ("got others in IM-1.dcm and 2; take one out", "got others in ... and 2; take one out"),
        ("Permission denied: '/in/Doe Jane/cine/2'", "Permission denied: '...'"),
        ("needs 12 slices, got 2", "needs 12 slices, got 2"),
        (
            "left out 3 slice(s) x 1 phase(s), series 1.2.840.113619.2.1, 1.3.12.2",
            "left out 3 slice(s) x 1 phase(s), series ..., ...",
        ),
        ("spacing 1.25 mm, version 0.1.0", "spacing 1.25 mm, version 0.1.0"),
    ],
)
def test_neither_file_nor_folder_is_named(sentence: str, expected: str) -> None:
    assert conceal_source(sentence, FILES) == expected


def test_a_relative_folder_is_no_word() -> None:
    files = [Path("data/4711.dcm")]
    assert conceal_source("the data of 3 slices [data/4711.dcm]", files) == "the data of 3 slices [...]"
    assert conceal_source("got others in 4711.dcm", files) == "got others in ..."


def test_without_files_nothing_changes() -> None:
    assert conceal_source("no image", []) == "no image"


@pytest.mark.parametrize(
    ("age", "told", "n_notes"), [(89.0, 89.0, 1), (90.0, 90.0, 1), (97.0, 90.0, 2), (None, None, 1)]
)
def test_an_age_by_which_somebody_could_be_found_is_not_told(age: float, told: float, n_notes: int) -> None:
    facts = StudyFacts(age_years=age, sex="F")
    cine = Cine(np.zeros((1, 2, 2, 2)), Grid((2, 2, 2), np.eye(4)), facts=facts, notes=("cut short [/in/Doe Jane]",))
    concealed = conceal(cine, FILES)
    assert (concealed.facts.age_years, concealed.facts.sex) == (told, "F")
    assert concealed.notes[0] == "cut short [...]"
    assert len(concealed.notes) == n_notes


def test_an_identity_has_readable_dates_and_nothing_that_is_not_stated(tmp_path: Path) -> None:
    header, meta = pydicom.Dataset(), pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    header.file_meta = meta
    header.PatientName, header.PatientID, header.PatientBirthDate = "DOE^JANE", "4711", "19501231"
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3"
    with pydicom.config.disable_value_validation():
        header.StudyDate = "20120000"
        pydicom.dcmwrite(tmp_path / "a.dcm", header, enforce_file_format=True)
    cine = Cine(
        np.zeros((1, 2, 2, 1)), Grid((2, 2, 1), np.eye(4)), sources=((SourceFrame(str(tmp_path / "a.dcm"), "1.2.3"),),)
    )
    assert identity_of(cine) == {
        "name": "DOE^JANE",
        "id": "4711",
        "birth_date": "1950-12-31",
        "study_date": "20120000",  # as de-identified files state it
        "report_date": date.today().isoformat(),
    }
    assert identity_of(Cine(np.zeros((1, 2, 2, 1)), Grid((2, 2, 1), np.eye(4)))) == {}
