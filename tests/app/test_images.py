"""One patient's labels are never measured on another's pictures: which images `cmr report` takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import pydicom
import pytest
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.correct import report_again
from pipeline.core.errors import InputError

from .conftest import restate


def _segment(source: Path, out: Path, bundle: Path, *options: str) -> Path:
    command = ["segment", str(source), "-o", str(out), "--bundle", str(bundle), *options]
    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return next(path for path in out.iterdir() if path.is_dir())


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("options", [(), ("--pseudonym", "a secret")], ids=["plain", "pseudonym"])
def test_images_of_another_study_are_refused(
    untrained_bundle: Path, namesakes: list[Path], tmp_path: Path, options: tuple[str, ...]
) -> None:
    case = _segment(namesakes[0], tmp_path / "out", untrained_bundle, *options)
    before = _contents(case)
    with pytest.raises(InputError, match="of the study that was segmented"):
        report_again(case, images=namesakes[1])
    assert _contents(case) == before
    again = report_again(case, images=namesakes[0].parents[1])  # both lie there, and the right one is found
    assert again.to_json()["volumes_ml"] == json.loads(before["measurements.json"])["volumes_ml"]


def test_another_patient_of_the_study_s_uid_is_refused(
    untrained_bundle: Path, namesakes: list[Path], tmp_path: Path
) -> None:
    case = _segment(namesakes[1], tmp_path / "out", untrained_bundle, "--no-objects")
    shutil.copytree(namesakes[1], tmp_path / "other")
    restate(tmp_path / "other", PatientID="4712")
    with pytest.raises(InputError, match="of the study that was segmented"):
        report_again(case, images=tmp_path / "other")


def test_a_place_that_now_holds_another_study_is_refused(
    untrained_bundle: Path, namesakes: list[Path], tmp_path: Path
) -> None:
    place = tmp_path / "incoming"
    shutil.copytree(namesakes[0], place)
    case = _segment(place, tmp_path / "out", untrained_bundle, "--no-objects")
    shutil.rmtree(place)
    shutil.copytree(namesakes[1], place)
    with pytest.raises(InputError, match="of the study that was segmented"):
        report_again(case)
    assert report_again(case, images=namesakes[0]).name == "incoming"


def test_a_nifti_of_other_content_is_refused(untrained_bundle: Path, studies: Path, tmp_path: Path) -> None:
    scan = tmp_path / "heart.nii"
    shutil.copy(studies / "three.nii", scan)
    case = _segment(scan, tmp_path / "out", untrained_bundle, "--no-objects")
    image = nib.load(scan)
    pixels = image.get_fdata()[::-1].astype(image.get_data_dtype())
    scan.unlink()
    nib.save(nib.Nifti1Image(pixels, image.affine, image.header), scan)
    with pytest.raises(InputError, match="of the study that was segmented"):
        report_again(case)
    assert report_again(case, images=studies / "three.nii").name == "heart"


def test_under_a_pseudonym_without_objects_one_study_must_be_named(
    untrained_bundle: Path, namesakes: list[Path], tmp_path: Path
) -> None:
    case = _segment(namesakes[0], tmp_path / "out", untrained_bundle, "--no-objects", "--pseudonym", "a secret")
    with pytest.raises(InputError, match="images of one study must be named"):
        report_again(case, images=namesakes[0].parents[1])
    assert report_again(case, images=namesakes[0]).corrected is False


def _second_series(study: Path) -> tuple[str, str]:
    """Add a copy of all images with other pixels, as a breath-hold repeated in the same place; both series' UIDs."""
    for path in sorted(study.iterdir()):
        header = pydicom.dcmread(path)
        first = str(header.SeriesInstanceUID)
        header.SeriesInstanceUID = generate_uid(entropy_srcs=[first])
        header.SOPInstanceUID = generate_uid(entropy_srcs=[header.SOPInstanceUID])
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.PixelData = (header.pixel_array // 2).tobytes()
        header.save_as(study / f"again_{path.name}")
    return first, str(header.SeriesInstanceUID)


@pytest.mark.parametrize("options", [(), ("--pseudonym", "a secret")], ids=["plain", "pseudonym"])
def test_another_series_of_the_study_is_refused(
    untrained_bundle: Path, namesakes: list[Path], tmp_path: Path, options: tuple[str, ...]
) -> None:
    study = tmp_path / "study"
    shutil.copytree(namesakes[0], study)
    first, uid = _second_series(study)
    case = _segment(study, tmp_path / "out", untrained_bundle, "--no-objects", "--series", uid, *options)
    with pytest.raises(InputError, match="the very ones"):
        report_again(case, images=study, series_uid=first)
    assert report_again(case, images=study, series_uid=uid).corrected is False
    assert (uid in (case / "measurements.json").read_text()) == (not options)
    if not options:  # the record knows the series
        assert report_again(case).corrected is False
