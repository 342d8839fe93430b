"""Structured reports: they read back with the numbers measured, refer to the segments, and pass the checker."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.core.case import BundleRecord, Case, Provenance
from pipeline.core.errors import ConfigError, UnreadableError
from pipeline.core.images import Cine
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Measurements
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import LAYOUTS
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.write.dicom import sr as dicom_sr
from pipeline.write.dicom.codes import CYCLE_POINT, structure_code
from pipeline.write.dicom.headers import source_headers
from pipeline.write.dicom.seg import Algorithm, write_segmentations
from pipeline.write.dicom.sr import write_measurement_report

Checker = Callable[[Path, str], list[str]]
ALGORITHM = Algorithm("some_bundle", "1.2.3")


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(3), n_phases=10, n_slices=6, size=40, pixel_mm=6.0)


def measure(study: PhantomStudy, cine: Cine, **choice: Any) -> dict[str, Any]:
    labels = study.label.array[: cine.n_phases]
    measured = measure_cine(labels, cine.grid, times_ms=cine.times_ms, facts=cine.facts, choice=PhaseChoice(**choice))
    return measured.to_json() | {"quality": {"verdict": "review", "flags": []}}


def make_case(study: PhantomStudy, cine: Cine, measured: dict[str, Any]) -> Case:
    made_by = Provenance({}, BundleRecord("some_bundle", "1.2.3"), {})
    return Case("a", cine, study.label.array[: cine.n_phases], Measurements.from_json(measured), made_by)


def write(
    folder: Path, study: PhantomStudy, cine: Cine, measured: dict[str, Any], pseudonym: str | None = None
) -> Path:
    """The report of a study with its segmentations, in `folder`."""
    headers = source_headers(cine, pseudonym=pseudonym)
    single = {"single": 0}
    phases = {k: measured[f"{k}_phase"] for k in ("ed", "es")} if "ed_phase" in measured else single
    labels = study.label.array[: cine.n_phases]
    files = write_segmentations(folder, cine, labels, phases=phases, algorithm=ALGORITHM, headers=headers)
    case = replace(make_case(study, cine, measured), pseudonym=pseudonym)
    return write_measurement_report(folder / "sr.dcm", case, segmentations=files, headers=headers)


def numbers(content: hd.sr.MeasurementReport) -> dict[tuple[str, str], tuple[float, str]]:
    """(group, code) -> value and unit of every number outside the volumetric groups."""
    return {
        (str(group.tracking_identifier), number.name.value): (float(number.value), number.unit.value)
        for group in content.get_image_measurement_groups()
        for number in group.get_measurements()
    }


def test_volumes_read_back_with_their_segments(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    measured = measure(study, cine)
    content = hd.sr.srread(write(tmp_path, study, cine, measured)).content
    groups = content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 6
    found = {}
    for group in groups:
        (volume,), (answer,) = group.get_measurements(), group.get_qualitative_evaluations(name=CYCLE_POINT)
        assert (volume.name, volume.unit.value) == (codes.SCT.Volume, "ml")
        moment = {codes.SCT.EndDiastole.value: "ed", codes.SCT.EndSystole.value: "es"}[answer.value.value]
        segmentation = pydicom.dcmread(tmp_path / f"seg_{moment}.dcm", stop_before_pixels=True)
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == segmentation.SOPInstanceUID
        number = segment[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
        (structure,) = [s for s in STRUCTURES if s.value == number]
        assert group.finding_type == structure_code(structure)
        assert [site.value for site in group.finding_sites] == [structure_code(structure)]
        found[structure.name, moment] = float(volume.value)
    assert found == {
        (s.name, moment): measured["volumes_ml"][s.name][measured[f"{moment}_phase"]]
        for s in STRUCTURES
        for moment in ("ed", "es")
    }


def test_function_reads_back_with_its_codes(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    measured = measure(study, cine)
    left, right, indexed = measured["left_ventricle"], measured["right_ventricle"], measured["indexed"]
    found = numbers(hd.sr.srread(write(tmp_path, study, cine, measured)).content)
    expected = {
        ("LV, function", "8821-1"): (left["edv_ml"], "ml"),
        ("LV, function", "8823-7"): (left["esv_ml"], "ml"),
        ("LV, function", "90096001"): (left["sv_ml"], "ml"),
        ("LV, function", "8811-2"): (left["ef_percent"], "%"),
        ("LV, function", "82799009"): (left["co_l_per_min"], "l/min"),
        ("LV, function", "122616"): (left["peak_ejection_rate_ml_per_s"], "ml/s"),
        ("LV, function", "122618"): (left["peak_filling_rate_ml_per_s"], "ml/s"),
        ("LV, function", "277381004"): (indexed["left_ventricle_sv_ml_per_m2"], "ml/m2"),
        ("LV, function", "54993008"): (indexed["left_ventricle_co_l_per_min_per_m2"], "l/min/m2"),
        ("RV, function", "8822-9"): (right["edv_ml"], "ml"),
        ("RV, function", "8824-5"): (right["esv_ml"], "ml"),
        ("RV, function", "429483009"): (right["sv_ml"], "ml"),
        ("RV, function", "8818-7"): (right["ef_percent"], "%"),
        ("RV, function", "428628004"): (right["co_l_per_min"], "l/min"),
        ("RV, function", "122616"): (right["peak_ejection_rate_ml_per_s"], "ml/s"),
        ("RV, function", "122618"): (right["peak_filling_rate_ml_per_s"], "ml/s"),
        ("RV, function", "429619008"): (indexed["right_ventricle_sv_ml_per_m2"], "ml/m2"),
        ("RV, function", "427990004"): (indexed["right_ventricle_co_l_per_min_per_m2"], "l/min/m2"),
        ("MYO, mass at end diastole", "18087-7"): (measured["myocardial_mass_g"], "g"),
        ("Body surface and heart rate", "8277-6"): (measured["bsa_m2"], "m2"),
        ("Body surface and heart rate", "8867-4"): (measured["heart_rate_bpm"], "{H.B.}/min"),
        ("Body surface and heart rate", "8302-2"): (measured["subject"]["height_cm"], "cm"),
        ("Body surface and heart rate", "29463-7"): (measured["subject"]["weight_kg"], "kg"),
    }
    assert found == {key: pair for key, pair in expected.items() if pair[0] is not None}


def _of_a_man(cine: Cine) -> Cine:
    return replace(cine, facts=replace(cine.facts, sex="M", age_years=60.0))


def test_a_subject_and_reference_values_read_back(
    study: PhantomStudy, cine: Cine, tmp_path: Path, checker_errors: Checker
) -> None:
    measured = measure(study, _of_a_man(cine))
    path = write(tmp_path, study, cine, measured)
    content = hd.sr.srread(path).content
    assert numbers(content)["Body surface and heart rate", "121033"] == (60.0, "a")
    (body,) = (g for g in content.get_image_measurement_groups() if "Body" in str(g.tracking_identifier))
    (sex,) = body.get_qualitative_evaluations(name=codes.DCM.SubjectSex)
    assert sex.value == Code("M", "DCM", "Male")
    edv = _number_of(content, codes.LN.LeftVentricularEDVolume)
    found = {item.name.value: float(item.value) for item in edv.ContentSequence if item.ValueType == "NUM"}
    (row,) = (r for r in measured["references"]["compared"] if r["quantity"] == "left_ventricle_edv_ml")
    assert found == {
        "385524004": 103.28,
        "371933006": 228.72,
        "373098007": 166.0,
        "121414": 32.0,
        "121416": row["z"],
    }
    texts = {item.name.value: item.TextValue for item in edv.ContentSequence if item.ValueType == "TEXT"}
    assert texts == {"121408": row["source"], "121406": row["source"]}
    assert checker_errors(path, "Comprehensive3DSR") == []


def test_intervals_are_amounts_below_and_above(
    study: PhantomStudy, cine: Cine, tmp_path: Path, checker_errors: Checker
) -> None:
    measured = measure(study, cine)
    edv_ml, esv_ml = (measured["left_ventricle"][key] for key in ("edv_ml", "esv_ml"))
    measured["intervals"] = {
        "left_ventricle_edv_ml": [edv_ml - 8.0, edv_ml + 5.0],
        "left_ventricle_esv_ml": [esv_ml + 1.0, esv_ml + 2.0],  # the number lies outside: no amount says so
    }
    measured["certainty"] = {
        "dice_low": {}, "spread_ml": {}, "volumes": {}, "functions": {},
        "level": 0.9, "pass_dice": 0.9, "fail_dice": 0.8,
    }  # fmt: skip
    path = write(tmp_path, study, cine, measured)
    content = hd.sr.srread(path).content
    found = {
        item.name.value: (float(item.value), item.unit.value)
        for item in _number_of(content, codes.LN.LeftVentricularEDVolume).ContentSequence
        if item.name.value in ("371885007", "371886008")
    }
    assert found == {"371885007": (pytest.approx(8.0), "ml"), "371886008": (pytest.approx(5.0), "ml")}
    esv = _number_of(content, codes.LN.LeftVentricularESVolume)
    assert not {item.name.value for item in esv.get("ContentSequence", ())} & {"371885007", "371886008"}
    comments = [item.TextValue for item in pydicom.dcmread(path).ContentSequence if item.ValueType == "TEXT"]
    assert any(text.startswith("Ranges of uncertainty are of 90 %") for text in comments)
    assert checker_errors(path, "Comprehensive3DSR") == []


def test_a_pseudonym_has_neither_body_nor_reference_values(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    measured = measure(study, _of_a_man(cine))
    content = hd.sr.srread(write(tmp_path, study, cine, measured, pseudonym="P-1")).content
    found = {code for group, code in numbers(content) if group.startswith("Body")}
    assert found == {"8277-6", "8867-4"}
    assert "ContentSequence" not in _number_of(content, codes.LN.LeftVentricularEDVolume)


def _number_of(content: hd.sr.MeasurementReport, name: Code) -> hd.sr.NumContentItem:
    (item,) = (n for group in content.get_image_measurement_groups() for n in group.get_measurements(name=name))
    return item[0]


@pytest.mark.parametrize(("method", "code"), [("mosteller", "122244"), ("dubois", "122241")])
def test_body_surface_names_its_formula(
    study: PhantomStudy, cine: Cine, tmp_path: Path, method: str, code: str
) -> None:
    content = hd.sr.srread(write(tmp_path, study, cine, measure(study, cine, bsa_method=method))).content
    (surface,) = [
        number
        for group in content.get_image_measurement_groups()
        for number in group.get_measurements(name=codes.LN.BSA)
    ]
    assert surface.method.value == code


def test_it_says_that_it_is_not_for_diagnosis(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    measured = measure(study, cine)
    report = hd.sr.srread(write(tmp_path, study, cine, measured))
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert "Not for diagnosis" in report.SeriesDescription
    comments = [
        item.TextValue for item in report.ContentSequence if item.ValueType == "TEXT" and item.name == codes.DCM.Comment
    ]
    assert comments == ["Not for diagnosis.", "Quality checks: review.", *measured["conventions"]]
    (observer,) = report.content.get_observer_contexts()
    assert observer.observer_type == codes.DCM.Device
    assert observer.observer_identifying_attributes.name == "cardiac-mr-pipeline"


def test_it_belongs_to_the_study(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    report = pydicom.dcmread(write(tmp_path, study, cine, measure(study, cine)))
    segmentation = pydicom.dcmread(tmp_path / "seg_ed.dcm")
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName"):
        assert report[keyword].value == segmentation[keyword].value
    assert report.SeriesInstanceUID != segmentation.SeriesInstanceUID
    referred = {
        item.ReferencedSOPInstanceUID
        for study_item in report.CurrentRequestedProcedureEvidenceSequence
        for series in study_item.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert segmentation.SOPInstanceUID in referred


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_checker_finds_no_error(
    study: PhantomStudy, cines: dict[str, Cine], tmp_path: Path, layout: str, checker_errors: Checker
) -> None:
    cine = cines[layout]
    path = write(tmp_path, study, cine, measure(study, cine))
    assert checker_errors(path, "Comprehensive3DSR") == []
    groups = hd.sr.srread(path).content.get_volumetric_roi_measurement_groups()
    assert len(groups) == (3 if layout == "static" else 6)


def test_enhanced_sources_are_named_by_their_frames(
    study: PhantomStudy, cines: dict[str, Cine], tmp_path: Path
) -> None:
    cine = cines["enhanced"]
    report = hd.sr.srread(write(tmp_path, study, cine, measure(study, cine)))
    group = report.content.get_volumetric_roi_measurement_groups()[0]
    (source,) = group.referenced_segment.source_images_for_segmentation
    segmentation = pydicom.dcmread(tmp_path / "seg_ed.dcm")
    frames = {
        int(g.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        for g in segmentation.PerFrameFunctionalGroupsSequence
        if g.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 1
    }
    assert set(source.referenced_frame_numbers) == frames


def test_what_is_not_known_is_left_out(study: PhantomStudy, cine: Cine, tmp_path: Path) -> None:
    measured = copy.deepcopy(measure(study, cine))
    for key in ("bsa_m2", "bsa_method", "indexed", "quality"):
        del measured[key]
    measured["heart_rate_bpm"] = measured["left_ventricle"]["co_l_per_min"] = None
    measured["subject"] = dict.fromkeys(measured["subject"])
    measured["right_ventricle"] = dict.fromkeys(measured["right_ventricle"]) | {
        "edv_ml": 0.0,
        "esv_ml": 0.0,
        "sv_ml": 0.0,
    }
    found = numbers(hd.sr.srread(write(tmp_path, study, cine, measured)).content)
    assert {group for group, _ in found} == {"LV, function", "MYO, mass at end diastole"}
    assert not {"82799009", "277381004", "54993008"} & {code for _, code in found}


def test_a_pseudonym_stands_for_the_patient(
    study: PhantomStudy, cine: Cine, tmp_path: Path, checker_errors: Checker
) -> None:
    path = write(tmp_path, study, cine, measure(study, cine), pseudonym="P-1")
    assert "PHANTOM" not in str(pydicom.dcmread(path))
    assert pydicom.dcmread(path).PatientID == "P-1"
    assert checker_errors(path, "Comprehensive3DSR") == []


def test_what_is_refused(study: PhantomStudy, cine: Cine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = measure(study, cine)
    path = write(tmp_path, study, cine, measured)
    path.unlink()
    files = {name: tmp_path / f"seg_{name}.dcm" for name in ("ed", "es")}

    def again(segmentations: dict[str, Path], what: Cine = cine) -> None:
        write_measurement_report(path, make_case(study, what, measured), segmentations=segmentations)

    with pytest.raises(ConfigError, match="got none"):
        again({})
    with pytest.raises(ConfigError, match="another format"):
        again(files, study.image)
    with pytest.raises(ConfigError, match="'es' must be of phase"):
        again({"ed": files["ed"], "es": files["ed"]})
    monkeypatch.setattr(dicom_sr.hd.sr, "srread", lambda _: pydicom.Dataset())
    with pytest.raises(UnreadableError, match="its own values"):
        again(files)
    assert not path.exists()


def test_codes_are_those_of_the_dictionary() -> None:
    for structure in STRUCTURES:
        assert structure.snomed in {
            code.value
            for code in (codes.SCT.LeftVentricle, codes.SCT.LeftVentricleMyocardium, codes.SCT.RightVentricle)
        }
    assert structure_code(STRUCTURES[0]) == Code("T-32600", "SRT", "Left ventricle")  # the retired form is known
    assert np.unique([structure.snomed for structure in STRUCTURES]).size == 3
