"""A prior case of the same patient: who is taken for the same, who is refused, what the record then holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pydicom
import pytest
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.choices import Choices
from pipeline.app.prior import PriorChoice, compare_with_case
from pipeline.app.results import write_case
from pipeline.core.case import BundleRecord, Case, Provenance, Source
from pipeline.core.digests import labels_digest, voxels_digest
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.prior import Prior
from pipeline.measure.study import measure_study
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.cine import read_cine
from pipeline.read.discover import find_cases

HEADER = {
    "PatientBirthDate": "19600101",
    "IssuerOfPatientID": "one hospital",
    "StudyDate": "20210110",
    "PatientSex": "M",
}


@pytest.fixture(scope="module")
def phantom() -> PhantomStudy:
    return make_cine(make_patient(8), n_phases=6, n_slices=8, size=64, pixel_mm=3.2, step_mm=12.0)


@pytest.fixture(scope="module")
def images(phantom: PhantomStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "study"
    write_study(phantom, folder)
    for path in folder.iterdir():
        _set(path, **HEADER)
    return folder


@pytest.fixture(scope="module")
def case(phantom: PhantomStudy, images: Path) -> Case:
    cine = read_cine(images)
    source = Source(find_cases(images)[0].identity, str(images), voxels_digest(cine.array))
    labels = phantom.label.array
    made_by = Provenance({}, BundleRecord("a", "1"), {}, labels_digest(labels), source)
    return Case("now", cine, labels, measure_study(cine, labels), made_by)


@pytest.fixture
def now(case: Case, tmp_path: Path) -> Path:
    """The folder of the present case."""
    return _written(case, tmp_path / "now")


@pytest.fixture
def then(now: Path, images: Path) -> Path:
    """The folder of a study of the same patient a year before."""
    return _earlier(now, images)


def _set(path: Path, **header: str) -> None:
    image = pydicom.dcmread(path)
    for key, value in header.items():
        setattr(image, key, value)
    image.save_as(path)


def _written(case: Case, folder: Path) -> Path:
    folder.mkdir()
    write_case(folder, case, Choices())
    return folder


def _earlier(now: Path, images: Path, *, pseudonym: str | None = None, **header: str) -> Path:
    """A prior beside a case: its record under another study, and an object that states its patient."""
    folder = now.parent / "then"
    folder.mkdir()
    record = json.loads((now / "measurements.json").read_text())
    record["source"]["identity"], record["pseudonym"] = "study 1.2.3", pseudonym
    (folder / "measurements.json").write_text(json.dumps(record))
    shutil.copy(next(images.iterdir()), folder / "seg_ed.dcm")
    _set(folder / "seg_ed.dcm", **{"StudyDate": "20200110"} | header)
    return folder


def _compare(case: Case, now: Path, then: Path, *, same_patient: bool = False, pseudonym: str | None = None) -> Prior:
    record = json.loads((now / "measurements.json").read_text()) | {"pseudonym": pseudonym}
    return compare_with_case(case.measurements, case.cine, PriorChoice(then, same_patient), record=record, folder=now)


def _report(*arguments: str) -> dict:
    result = CliRunner().invoke(cli.app, ["report", *arguments])
    if result.exception is not None:
        raise result.exception
    return json.loads((Path(arguments[0]) / "measurements.json").read_text())


def test_a_prior_of_the_same_patient_is_stored_shown_and_kept(now: Path, then: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(
        "quantity,sex,age_from,age_to,mean,sd,lower,upper,papillary,source\n"
        "right_ventricle_edv_ml,M,61,61,150,30,,,cavity,our volunteers\n"
    )
    measured = _report(str(now), "--prior", str(then), "--references", str(own))
    sources = {row["quantity"]: row["source"] for row in measured["references"]["compared"]}
    assert sources["right_ventricle_edv_ml"] == "our volunteers"
    assert sources["left_ventricle_edv_ml"].startswith("Petersen")
    prior, edv_ml = measured["prior"], measured["left_ventricle"]["edv_ml"]
    assert (prior["case"], prior["same_patient_by"], prior["interval_days"]) == ("then", "patient_id", 366)
    (change,) = (c for c in prior["changes"] if c["quantity"] == "left_ventricle_edv_ml")
    assert (change["before"], change["now"], change["change"], change["beyond"]) == (edv_ml, edv_ml, 0.0, False)
    assert "Beside the prior study then" in (now / "report.html").read_text()
    again = _report(str(now), "--ed", "1", "--es", "2")
    (change,) = (c for c in again["prior"]["changes"] if c["quantity"] == "left_ventricle_edv_ml")
    assert change["before"] == edv_ml
    assert change["now"] == again["left_ventricle"]["edv_ml"] != edv_ml


def test_a_table_that_makes_no_sense_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("a,b\n")
    for command in (["segment", "nowhere", "-o", "OUT"], ["report", "nowhere"]):
        result = CliRunner().invoke(cli.app, [*command, "--references", str(tmp_path / "own.csv")])
        assert isinstance(result.exception, ConfigError)
        assert "must have the columns" in str(result.exception)


def test_a_prior_that_is_later_is_said(case: Case, now: Path, images: Path) -> None:
    prior = _compare(case, now, _earlier(now, images, StudyDate="20210120"))
    assert (prior.interval_days, prior.notes[0]) == (-10, "the study called prior is later than this one, by 10 days")


@pytest.mark.parametrize(
    "other",
    [
        {"PatientID": "SOMEBODY-ELSE"},
        {"PatientBirthDate": "19500101"},  # as of two anonymised patients of one ID
        {"IssuerOfPatientID": "another hospital"},
    ],
)
def test_another_patient_is_refused_unless_the_user_knows_better(
    case: Case, now: Path, images: Path, other: dict[str, str]
) -> None:
    then = _earlier(now, images, **other)
    with pytest.raises(InputError, match=r"it is another patient's; .*--same-patient"):
        _compare(case, now, then)
    prior = _compare(case, now, then, same_patient=True)
    assert prior.same_patient_by == "user"
    assert not any(value in str(prior) for value in (*HEADER.values(), *other.values()))


@pytest.mark.parametrize("stated", [None, {"PatientID": ""}])
def test_where_nothing_tells_the_patient_the_user_has_to(
    case: Case, now: Path, images: Path, stated: dict[str, str] | None
) -> None:
    then = _earlier(now, images, **stated or {})
    if stated is None:  # as with `--no-objects`
        (then / "seg_ed.dcm").unlink()
    with pytest.raises(InputError, match="nothing in the files tells"):
        _compare(case, now, then)
    assert _compare(case, now, then, same_patient=True).same_patient_by == "user"


def test_what_a_header_leaves_out_tells_nothing(case: Case, now: Path, images: Path) -> None:
    then = _earlier(now, images, PatientBirthDate="", IssuerOfPatientID="", StudyDate="")
    prior = _compare(case, now, then)
    assert (prior.same_patient_by, prior.interval_days) == ("patient_id", None)


def test_pseudonyms_are_compared_with_their_like(case: Case, now: Path, images: Path) -> None:
    then = _earlier(now, images, pseudonym="P-1", PatientID="P-1", StudyDate="")
    prior = _compare(case, now, then, pseudonym="P-1")
    assert (prior.same_patient_by, prior.interval_days) == ("pseudonym", None)
    for pseudonym, same in (("P-2", True), ("P-2", False)):
        with pytest.raises(InputError, match="only be compared with one under the same"):
            _compare(case, now, then, same_patient=same, pseudonym=pseudonym)
    with pytest.raises(InputError, match="another patient's"):
        _compare(case, now, then)


def test_what_is_no_prior_is_refused(case: Case, now: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be another study"):
        _compare(case, now, now)
    with pytest.raises(InputError, match="written by `cmr segment`"):
        _compare(case, now, tmp_path)
    record = json.loads((now / "measurements.json").read_text())
    (tmp_path / "copy").mkdir()
    shutil.copy(now / "measurements.json", tmp_path / "copy")
    with pytest.raises(InputError, match="must be another study"):
        _compare(case, now, tmp_path / "copy")
    for name, content, words in (
        ("claimed", {"source": record["source"]}, "must be complete"),
        ("single", {key: record[key] for key in record if key != "left_ventricle"}, "a single phase"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "measurements.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=words):
            _compare(case, now, tmp_path / name)
