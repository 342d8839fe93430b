"""What a case's folder holds: DICOM objects, measurements, report; made again after a correction; pseudonyms."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import nibabel as nib
import numpy as np
import pydicom
import pytest
from highdicom.seg import segread
from highdicom.sr import srread
from typer.testing import CliRunner

import pipeline.measure
import pipeline.read.dicom.series
from pipeline.app import cli
from pipeline.app.bundles import copy_bundle
from pipeline.app.case_results import record_failure
from pipeline.app.choices import Choices
from pipeline.app.correct import report_again
from pipeline.app.folders import claim_folder, rewrite
from pipeline.app.predict import CaseRunner, segment_path
from pipeline.app.results import write_case
from pipeline.app.segmenter import Segmenter
from pipeline.app.worklist import update_worklist
from pipeline.core.case import BundleRecord, Case, Provenance
from pipeline.core.digests import labels_digest
from pipeline.core.errors import ConfigError, GridError, InputError
from pipeline.core.images import Cine
from pipeline.core.measurements import Quality
from pipeline.core.review import Review
from pipeline.measure.measurements import PhaseChoice
from pipeline.measure.study import measure_study
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.cine import read_cine
from pipeline.read.dicom.segmentation import read_segmentation
from pipeline.read.discover import find_cases

SCHEMA = json.loads((Path(pipeline.measure.__file__).parent / "schemas" / "measurements.schema.json").read_text())


@pytest.fixture(scope="module")
def phantom() -> PhantomStudy:
    return make_cine(make_patient(8), n_phases=6, n_slices=8, size=64, pixel_mm=3.2, step_mm=12.0)


@pytest.fixture(scope="module")
def images(phantom: PhantomStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "study"
    write_study(phantom, folder)
    return folder


def make_case(phantom: PhantomStudy, cine: Cine, labels: np.ndarray | None = None, **more: str) -> Case:
    """The phantom's true labels as somebody's result; other labels keep what was measured of those."""
    measured = replace(measure_study(cine, phantom.label.array), quality=Quality("pass"))
    made_by = Provenance({}, BundleRecord("some_bundle", "1.2.3"), {})
    return Case("case", cine, phantom.label.array if labels is None else labels, measured, made_by, **more)


def write(folder: Path, case: Case, choices: Choices | None = None) -> dict:
    return write_case(folder, case, choices or Choices()).to_json()


def test_a_dicom_case_has_everything(phantom: PhantomStudy, images: Path, tmp_path: Path) -> None:
    cine, labels = read_cine(images), phantom.label.array
    written = write(tmp_path, make_case(phantom, cine))
    names = {path.name for path in tmp_path.iterdir()}
    objects = {"seg_ed.dcm", "seg_es.dcm", "sr.dcm", "report.dcm"}
    assert names == {"segmentation.nii.gz", "measurements.json", "report.html", "thumbnail.jpg"} | objects
    jsonschema.validate(json.loads((tmp_path / "measurements.json").read_text()), SCHEMA)
    for role in ("ed", "es"):
        phase = written[f"{role}_phase"]
        found = read_segmentation(tmp_path / f"seg_{role}.dcm", cine)
        assert list(found) == [phase]
        np.testing.assert_array_equal(found[phase], labels[phase])
    study = {pydicom.dcmread(tmp_path / name).StudyInstanceUID for name in names if name.endswith(".dcm")}
    assert study == {cine.facts.study_uid}
    series = {segread(tmp_path / f"seg_{role}.dcm").SeriesInstanceUID for role in ("ed", "es")}
    assert cine.facts.series_uid not in series


def test_the_structured_report_says_what_was_measured(phantom: PhantomStudy, images: Path, tmp_path: Path) -> None:
    written = write(tmp_path, make_case(phantom, read_cine(images)))
    groups = srread(tmp_path / "sr.dcm").content.get_volumetric_roi_measurement_groups()
    volumes = sorted(float(group.get_measurements()[0].value) for group in groups)
    expected = [values[written[f"{role}_phase"]] for values in written["volumes_ml"].values() for role in ("ed", "es")]
    assert volumes == pytest.approx(sorted(expected))


def test_all_phases_and_single_ones(phantom: PhantomStudy, images: Path, tmp_path: Path) -> None:
    case = make_case(phantom, read_cine(images))
    write(tmp_path, case, Choices(all_phases=True))
    assert len(list(tmp_path.glob("seg_phase_*.dcm"))) == 6
    (tmp_path / "case").mkdir()
    rewrite(tmp_path / "case", lambda new: write(new, case, Choices(all_phases=True)))
    rewrite(tmp_path / "case", lambda new: write(new, case))
    assert not list((tmp_path / "case").glob("seg_phase_*.dcm"))  # of the earlier run


def test_a_folder_is_written_whole_or_stays_as_it_was(
    phantom: PhantomStudy, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, case = tmp_path / "case", make_case(phantom, read_cine(images))
    folder.mkdir()
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("mine")
    rewrite(folder, lambda new: write_case(new, case, Choices()))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {"sr.dcm", "report.html", "segmentation.nii.gz"} <= {path.name for path in before}

    def fill_up(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.write.pages.report.write_page", fill_up)
        with pytest.raises(OSError, match="No space"):
            rewrite(folder, lambda new: write_case(new, case, Choices()))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    rewrite(folder, lambda new: write_case(new, case, Choices(objects=False)))
    assert {path.name for path in folder.iterdir()} == {"measurements.json", "notes", "segmentation.nii.gz"}
    assert (folder / "notes" / "mine.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


def test_an_empty_phase_has_no_segmentation(phantom: PhantomStudy, images: Path, tmp_path: Path) -> None:
    labels = phantom.label.array.copy()
    labels[phantom.truth.es_phase] = 0
    written = write(tmp_path, make_case(phantom, read_cine(images), labels))
    assert not (tmp_path / "seg_es.dcm").exists()
    assert (tmp_path / "sr.dcm").exists()
    assert "nothing is labelled" in written["notes"][-1]


def test_nifti_has_a_report_alone(phantom: PhantomStudy, tmp_path: Path) -> None:
    written = write(tmp_path, make_case(phantom, phantom.image))
    names = {"segmentation.nii.gz", "measurements.json", "report.html", "thumbnail.jpg"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert "not DICOM" in written["notes"][-1]


def test_names_appear_only_when_asked_for(phantom: PhantomStudy, images: Path, tmp_path: Path) -> None:
    case = make_case(phantom, read_cine(images))
    patient = pydicom.dcmread(next(images.iterdir())).PatientID
    write(tmp_path, case)
    for name in ("measurements.json", "report.html"):
        assert patient not in (tmp_path / name).read_text()
        assert "PHANTOM" not in (tmp_path / name).read_text()
    write(tmp_path, case, Choices(identify=True))
    assert patient in (tmp_path / "report.html").read_text()
    assert patient not in (tmp_path / "measurements.json").read_text()
    assert pydicom.dcmread(tmp_path / "sr.dcm").PatientID == patient  # it belongs to the patient's own study
    write(tmp_path, replace(case, pseudonym="P-1"))
    for name in ("seg_ed.dcm", "seg_es.dcm", "sr.dcm"):
        header = pydicom.dcmread(tmp_path / name)
        assert (header.PatientID, header.PatientName) == ("P-1", "P-1")
        assert patient not in str(header)


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, arguments)
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture(scope="module")
def results(images: Path, untrained_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves, made once, since it takes long."""
    out = tmp_path_factory.mktemp("results")
    _run("segment", str(images), "-o", str(out), "--bundle", str(untrained_bundle))
    return out


@pytest.fixture
def segmented(results: Path, tmp_path: Path) -> Path:
    """A case of a test's own, to be changed."""
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    return tmp_path / "study"


def test_a_segmented_study_keeps_the_published_schema(segmented: Path, images: Path) -> None:
    measured = json.loads((segmented / "measurements.json").read_text())
    jsonschema.validate(measured, SCHEMA)
    assert measured["case"] == "study"
    assert measured["corrected"] is False
    assert measured["bundle"]["name"] == "untrained"
    assert len(measured["bundle"]["weights_sha256"]) == 64
    (case,) = find_cases(images)
    assert (measured["source"]["identity"], measured["source"]["path"]) == (case.identity, str(images))
    assert measured["pseudonym"] is None
    assert (segmented.parent / "index.html").read_text().count("study/report.html") == 1


def test_a_corrected_mask_is_measured_anew(segmented: Path, phantom: PhantomStudy, images: Path) -> None:
    before = json.loads((segmented / "measurements.json").read_text())
    assert report_again(segmented).to_json() == {key: value for key, value in before.items() if key != "files"}
    path = segmented / "segmentation.nii.gz"
    drawn = nib.load(path)
    nib.save(nib.Nifti1Image(np.moveaxis(phantom.label.array, 0, -1), drawn.affine, drawn.header), path)
    _run("report", str(segmented))
    after = json.loads((segmented / "measurements.json").read_text())
    truth = phantom.truth.volumes_ml["left_ventricle"]
    assert after["volumes_ml"]["left_ventricle"] == pytest.approx(truth, rel=0.08)
    assert after["corrected"] is True
    assert after["confidence"] is None
    labels = read_segmentation(segmented / "seg_es.dcm", read_cine(images))[after["es_phase"]]
    np.testing.assert_array_equal(labels, phantom.label.array[after["es_phase"]])
    assert segread(segmented / "seg_es.dcm").SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"


def test_choices_given_once_hold_until_others_are_given(segmented: Path) -> None:
    chosen_now = (
        "--ed",
        "2",
        "--es",
        "4",
        "--bsa",
        "dubois",
        "--papillary",
        "mass",
        "--all-phases",
        "--exclude",
        "0,7",
    )
    _run("report", str(segmented), *chosen_now)

    def record() -> dict:
        read = json.loads((segmented / "measurements.json").read_text())
        jsonschema.validate(read, SCHEMA)
        return read

    chosen = record()["choices"]
    assert chosen == {
        **{"ed": 2, "es": 4, "bsa": "dubois", "papillary": "mass", "references": []},
        **{"all_phases": True, "objects": True, "identify": False},
    }
    _run("report", str(segmented))
    assert (record()["choices"], record()["review"]["excluded_slices"]) == (chosen, [0, 7])
    assert (record()["ed_phase"], record()["ed_from"], record()["bsa_method"]) == (2, "given", "dubois")
    assert (segmented / "seg_phase_03.dcm").is_file()
    _run("report", str(segmented), "--find-phases", "--es", "5", "--no-all-phases", "--exclude", "none")
    assert (record()["ed_from"], record()["es_phase"], record()["es_from"]) == ("curve", 5, "given")
    assert record()["review"]["excluded_slices"] == []
    assert not (segmented / "seg_phase_03.dcm").exists()
    for wrong in (("--exclude", "8"), ("--exclude", "x"), ("--bsa", "haycock"), ("--papillary", "wall")):
        with pytest.raises(ConfigError):
            _run("report", str(segmented), *wrong)


def test_a_case_whose_correction_is_being_drawn_is_left_alone(
    segmented: Path, images: Path, untrained_bundle: Path
) -> None:
    draft = segmented / "review" / "draft.jsonl"
    draft.parent.mkdir()
    draft.write_text("{}\n{}\n")
    before = (segmented / "segmentation.nii.gz").read_bytes()
    options = ("-o", str(segmented.parent), "--bundle", str(untrained_bundle))
    result = CliRunner().invoke(cli.app, ["segment", str(images), *options])
    assert (result.exit_code, "being drawn" in result.output) == (0, True)  # kept, as all that is in a reader's hands
    with pytest.raises(InputError, match="being drawn"):
        _run("report", str(segmented))
    assert (segmented / "segmentation.nii.gz").read_bytes() == before
    assert draft.read_text() == "{}\n{}\n"


def test_an_excluded_slice_is_counted_nowhere_and_kept_in_the_map(
    segmented: Path, phantom: PhantomStudy, images: Path
) -> None:
    path, drawn = segmented / "segmentation.nii.gz", phantom.label.array
    stored = nib.load(path)
    nib.save(nib.Nifti1Image(np.moveaxis(drawn, 0, -1), stored.affine, stored.header), path)
    case = report_again(segmented, excluded_slices=[3])
    counted = drawn.copy()
    counted[..., 3] = 0
    assert (drawn != counted).any()
    np.testing.assert_array_equal(read_cine(path).array, drawn)
    ml = phantom.label.grid.voxel_volume_ml
    for value, name in ((1, "left_ventricle"), (2, "myocardium"), (3, "right_ventricle")):
        sums = (counted == value).sum(axis=(1, 2, 3)) * ml
        assert case.measurements.volumes_ml[name] == pytest.approx(sums.tolist(), abs=5e-4)
    es = case.measurements.es_phase
    found = read_segmentation(segmented / "seg_es.dcm", read_cine(images))
    np.testing.assert_array_equal(found[es], counted[es])
    said = [str(item.TextValue) for item in srread(segmented / "sr.dcm").ContentSequence if "TextValue" in item]
    assert any("slice(s) 4" in text for text in said)
    assert any("slice(s) 4" in note for note in case.measurements.notes)
    assert case.review.status == "corrected"


def test_a_decision_does_not_outlive_its_labels(segmented: Path, phantom: PhantomStudy) -> None:
    path = segmented / "measurements.json"
    record = json.loads(path.read_text())
    own = record["labels_sha256"]
    accepted = Review("accepted", "AB", "2026-11-27T10:36:36Z", "", (), (0, 3), own)
    path.write_text(json.dumps(record | {"review": accepted.to_json()}))
    assert report_again(segmented).review == accepted
    assert "accepted by AB" in (segmented / "report.html").read_text()
    stored = nib.load(segmented / "segmentation.nii.gz")
    drawn = np.moveaxis(phantom.label.array, 0, -1)
    nib.save(nib.Nifti1Image(drawn, stored.affine, stored.header), segmented / "segmentation.nii.gz")
    assert (again := report_again(segmented)).review.status == "corrected"
    assert again.review.labels_sha256 == labels_digest(phantom.label.array)


def test_a_corrected_dicom_segmentation_replaces_its_phase(
    segmented: Path, phantom: PhantomStudy, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", make_case(phantom, read_cine(images)))
    phase = phantom.truth.ed_phase
    before = read_cine(segmented / "segmentation.nii.gz").array
    choices = Choices(PhaseChoice(ed=phase, es=3))
    case = report_again(segmented, mask=tmp_path / "other" / "seg_ed.dcm", choices=choices)
    after = read_cine(segmented / "segmentation.nii.gz").array
    np.testing.assert_array_equal(after[phase], phantom.label.array[phase])
    others = [t for t in range(6) if t != phase]
    np.testing.assert_array_equal(after[others], before[others])
    assert (case.measurements.ed_phase, case.measurements.ed_from, case.corrected) == (phase, "given", True)


def test_what_cannot_be_reported_again(segmented: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="written by `cmr segment`"):
        report_again(tmp_path)
    small = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    small.header.set_xyzt_units("mm")
    nib.save(small, tmp_path / "small.nii.gz")
    with pytest.raises(GridError, match="on the images' grid"):
        report_again(segmented, mask=tmp_path / "small.nii.gz")


def test_a_pseudonym_stands_everywhere(images: Path, untrained_bundle: Path, tmp_path: Path) -> None:
    options = ("--bundle", str(untrained_bundle), "--pseudonym", "a secret")
    for out in ("first", "second"):
        _run("segment", str(images), "-o", str(tmp_path / out), *options)
    (case,) = (path for path in (tmp_path / "first").iterdir() if path.is_dir())
    assert case.name.startswith("P-")
    assert (tmp_path / "second" / case.name).is_dir()  # always the same
    record = json.loads((case / "measurements.json").read_text())
    jsonschema.validate(record, SCHEMA)
    assert case.name.startswith(record["pseudonym"])
    assert (record["source"]["path"], record["source"]["series_uid"]) == (None, None)
    with pytest.raises(InputError, match="must know its images"):
        report_again(case)
    report_again(case, images=images)
    assert json.loads((case / "measurements.json").read_text())["corrected"] is False
    assert case.name.startswith(pydicom.dcmread(case / "seg_ed.dcm").PatientID)
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in images.iterdir()]
    uids = {header[name].value for header in headers for name in ("StudyInstanceUID", "SeriesInstanceUID")}
    assert len(uids) > 2  # also of the series that the notes tell of
    pages = [(case / name).read_text() for name in ("measurements.json", "report.html")]
    assert "left out" in pages[0]
    assert not [uid for uid in (*uids, str(images)) for page in pages if uid in page]
    patient = headers[0].PatientID
    for path in case.iterdir():
        assert patient.encode() not in path.read_bytes()
    with pytest.raises(ConfigError, match="cannot name"):
        report_again(case, images=images, choices=Choices(identify=True))
    with pytest.raises(ConfigError, match="not both"):
        _run("segment", str(images), "-o", str(tmp_path / "x"), *options, "--identify")
    with pytest.raises(ConfigError, match="secret"):
        _run("segment", str(images), "-o", str(tmp_path / "x"), "--bundle", str(untrained_bundle), "--pseudonym", "")


def test_a_report_is_made_even_where_an_object_fails(
    phantom: PhantomStudy, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise GridError("no such plane")

    monkeypatch.setattr("pipeline.app.objects.write_measurement_report", refuse)
    written = write(tmp_path, make_case(phantom, read_cine(images)))
    assert written["notes"][-1] == "not all DICOM objects are written: no such plane"
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "seg_ed.dcm").is_file()


def test_results_of_a_run_cut_short_are_refused(segmented: Path) -> None:
    path = segmented / "measurements.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in record.items() if key != "bundle"}))
    with pytest.raises(InputError, match="must be complete"):
        report_again(segmented)
    path.write_text("{")
    with pytest.raises(InputError, match="must be JSON"):
        report_again(segmented)
    assert "must be JSON" in update_worklist(segmented.parent).read_text()  # and the others are listed


@pytest.mark.parametrize(
    ("review", "told"),
    [({"status": "accepted"}, "accepted"), ({"status": "?"}, "unreviewed"), (None, "unreviewed"), (3, "unreviewed")],
)
def test_the_worklist_tells_what_a_reader_decided(segmented: Path, review: object, told: str) -> None:
    path = segmented / "measurements.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"review": review}))
    text = update_worklist(segmented.parent).read_text()
    assert f'data-review="{told}"' in text
    assert f'src="{segmented.name}/thumbnail.jpg"' in text


def test_a_failure_leaves_the_earlier_results_and_is_listed_until_a_success(segmented: Path, images: Path) -> None:
    (case,) = find_cases(images)
    before = {path.name: path.read_bytes() for path in segmented.iterdir()}
    record_failure(segmented.parent, case, "cut short")
    record = json.loads((segmented / "measurements.json").read_text())
    jsonschema.validate(record, SCHEMA)
    assert record.pop("failed")["error"] == "cut short"
    assert record == json.loads(before.pop("measurements.json"))
    assert before.items() <= {path.name: path.read_bytes() for path in segmented.iterdir()}.items()
    text = update_worklist(segmented.parent).read_text()
    assert "the last attempt failed, and these are the results of an earlier one: cut short" in text
    assert "1 study: 1 not processed" in text
    report_again(segmented)
    assert "cut short" not in update_worklist(segmented.parent).read_text()


def test_a_failed_case_keeps_its_pseudonym(
    studies: Path, untrained_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ("--bundle", str(untrained_bundle), "--pseudonym", "a secret")
    result = CliRunner().invoke(cli.app, ["segment", str(studies), "-o", str(tmp_path), *options])
    assert result.exit_code == 1
    page = (tmp_path / "index.html").read_text()
    assert ">broken<" not in page
    assert ">two<" not in page  # a NIfTI has no PatientID to replace, and is refused
    assert "unnamed" in page
    assert page.count("P-") >= 2
    assert str(studies) not in page
    assert str(studies / "broken") in caplog.text  # whoever runs it has to find the file


def test_what_the_user_put_beside_the_results_stays(
    phantom: PhantomStudy, images: Path, untrained_bundle: Path, tmp_path: Path
) -> None:
    case = claim_folder(tmp_path, find_cases(images)[0])
    assert case == tmp_path / "study"
    for name in ("seg_ed_corrected.dcm", "notes.txt"):
        (case / name).write_text("mine")
    for name in ("report.html", "seg_phase_07.dcm"):
        (case / name).write_text("of an earlier run")
    rewrite(case, lambda new: write(new, make_case(phantom, read_cine(images))))
    assert (case / "seg_ed_corrected.dcm").read_text() == (case / "notes.txt").read_text() == "mine"
    assert not (case / "seg_phase_07.dcm").exists()
    options = ("--bundle", str(untrained_bundle), "--ed", "99")
    result = CliRunner().invoke(cli.app, ["segment", str(images), "-o", str(tmp_path), *options])
    assert result.exit_code == 1
    assert "phase from 0 to 5" in result.output
    assert {"report.html", "sr.dcm"} <= {path.name for path in case.iterdir()}  # whole, as they were


def test_images_are_read_once_and_nothing_is_read_back(
    images: Path, untrained_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels: list[Path] = []
    read_pictures = pipeline.read.dicom.series.read_pictures

    def counted(path: Path, *rest: object) -> object:
        pixels.append(path)
        return read_pictures(path, *rest)

    monkeypatch.setattr("pipeline.read.dicom.series.read_pictures", counted)
    (result,) = segment_path(CaseRunner(Segmenter(untrained_bundle), tmp_path), images)
    assert result.error is None
    assert len(pixels) == len(set(pixels)) == 6 * 8
    assert result.record == json.loads((result.folder / "measurements.json").read_text())
    assert result.measurements.to_json().items() <= result.record.items()


def test_a_cine_is_segmented_in_memory(images: Path, untrained_bundle: Path, tmp_path: Path) -> None:
    cine = read_cine(images)
    found = Segmenter(untrained_bundle).segment(cine)
    assert (found.labels.shape, found.labels.dtype) == (cine.array.shape, np.uint8)
    assert found.sums.expected_dice.shape == (6, 3)
    (result,) = segment_path(CaseRunner(Segmenter(untrained_bundle), tmp_path), images)
    np.testing.assert_array_equal(read_cine(result.folder / "segmentation.nii.gz").array, found.labels)


def test_a_bundle_that_measures_nothing_leaves_what_made_the_labels(
    images: Path, untrained_bundle: Path, tmp_path: Path
) -> None:
    bundle = copy_bundle(untrained_bundle, tmp_path / "bundle", {"measures": False})
    shutil.copytree(untrained_bundle / "models", bundle / "models", dirs_exist_ok=True)
    _run("segment", str(images), "-o", str(tmp_path / "out"), "--bundle", str(bundle))
    case = tmp_path / "out" / "study"
    record = json.loads((case / "measurements.json").read_text())
    jsonschema.validate(record, SCHEMA)
    assert (record["case"], record["bundle"]["name"], record["source"]["path"]) == ("study", "bundle", str(images))
    assert record["labels_sha256"] == labels_digest(read_cine(case / "segmentation.nii.gz").array)
    assert "kind" not in record
    assert "0 studies" in (tmp_path / "out" / "index.html").read_text()
    with pytest.raises(InputError, match="must be complete"):
        report_again(case)
