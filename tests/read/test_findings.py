"""What is found of a case: faults keep it out, notes do not, and each fault is one line."""

from __future__ import annotations

import pytest

from pipeline.read.findings import CheckedCase, Finding, fault, faults_of, note

CASE = {"image": "i.nii", "label": "l.nii", "patient": "P1", "phase": "ED"}


def test_faults_and_notes_are_told_apart_in_order() -> None:
    found = (fault("image", ValueError("bad")), note("label", "odd"), fault("pair", "apart"))
    assert found[0] == Finding("image", "bad", True)
    one = CheckedCase(CASE, findings=found)
    assert (one.faults, one.notes) == ((found[0], found[2]), (found[1],))


@pytest.mark.parametrize(("about", "file"), [("image", "i.nii"), ("label", "l.nii"), ("pair", "l.nii")])
def test_a_fault_is_a_line_with_its_patient_and_file(about: str, file: str) -> None:
    whole = CASE | {"patient": "P2", "phase": ""}
    checked = [CheckedCase(case, findings=(note(about, "odd"), fault(about, "it is bad"))) for case in (CASE, whole)]
    assert faults_of(checked) == [f"P1 ED: {about}: it is bad [{file}]", f"P2: {about}: it is bad [{file}]"]
    assert faults_of([CheckedCase(CASE, findings=(note(about, "odd"),))]) == []
