"""Archives, other formats, headers without a clock and stacks of one slice, segmented as a user does."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.choices import Choices
from pipeline.app.correct import report_again
from pipeline.app.predict import CaseResult, CaseRunner, segment_path
from pipeline.app.segmenter import Segmenter, segment
from pipeline.core.errors import ConfigError, LatticeError
from pipeline.read.cine import read_cine


@pytest.fixture(scope="module")
def segmenter(untrained_bundle: Path) -> Segmenter:
    return Segmenter(untrained_bundle)


@pytest.fixture(scope="module")
def inputs(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """one.zip (a DICOM cine), heart.mha (its twin without a unit of time), la_2ch.nii.gz (one slice)."""
    folder = tmp_path_factory.mktemp("inputs")
    with zipfile.ZipFile(folder / "one.zip", "w") as file:
        for path in sorted((studies / "one").rglob("*")):
            file.write(path, f"DICOM/{path.name}")
    cine = read_cine(studies / "two.nii.gz")
    image = sitk.GetImageFromArray(np.ascontiguousarray(cine.array.transpose(0, 3, 2, 1)), isVector=False)
    image.SetSpacing((*cine.grid.spacing_mm, 0.0027))
    sitk.WriteImage(image, str(folder / "heart.mha"))
    view = nib.Nifti1Image(np.moveaxis(cine.array[..., 1:2], 0, -1), cine.grid.affine)
    nib.save(view, folder / "la_2ch.nii.gz")
    return folder


@pytest.fixture(scope="module")
def results(
    segmenter: Segmenter, inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, CaseResult]]:
    """All inputs segmented, with a heart rate given; temporary folders are gone after each."""
    out, temporary = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("temporary")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        for result in segment_path(CaseRunner(segmenter, out, choices=Choices(heart_rate_bpm=75)), inputs):
            found[result.name] = result
            assert not any(temporary.iterdir())
    return out, found


def test_what_becomes_of_each(results: tuple[Path, dict[str, CaseResult]], inputs: Path) -> None:
    _, found = results
    assert {name: result.error is None for name, result in found.items()} == {
        "heart": True,
        "la_2ch": False,
        "one": True,
    }
    assert "at least 3 slices, got 1" in found["la_2ch"].error
    assert str(inputs / "la_2ch.nii.gz") in found["la_2ch"].error


def test_a_study_in_an_archive_has_all_that_one_in_a_folder_has(results, inputs: Path) -> None:
    out, found = results
    folder = out / "one"
    assert {"segmentation.nii.gz", "measurements.json", "sr.dcm", "report.html"} <= {
        path.name for path in folder.iterdir()
    }
    written = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.json"))
    assert str(inputs / "one.zip" / "DICOM") in written
    assert "cmr-" not in written  # the folder that it was unpacked in
    again = report_again(folder, choices=Choices(objects=False))
    np.testing.assert_equal(again.measurements.volumes_ml, found["one"].measurements.volumes_ml)


def test_the_heart_rate_gives_the_beat_where_there_is_no_clock(results) -> None:
    out, found = results
    measured = found["heart"].measurements
    assert measured.times_ms == pytest.approx((0.0, 800.0 / 3, 1600.0 / 3), abs=1e-3)
    assert measured.heart_rate_bpm == 75.0
    assert any("of the heart rate given (75 a minute)" in note for note in measured.notes)
    again = report_again(out / "heart", choices=Choices(objects=False))
    assert again.measurements.times_ms == measured.times_ms


def test_the_header_is_believed_where_it_has_a_clock(results) -> None:
    _, found = results
    record = json.dumps(found["one"].record)
    assert "the heart rate given (75 a minute)" in record
    assert "spread evenly" not in record


def test_in_memory(segmenter: Segmenter, inputs: Path, untrained_bundle: Path) -> None:
    case = segment(inputs / "heart.mha", bundle=untrained_bundle, heart_rate_bpm=60)
    assert case.measurements.heart_rate_bpm == 60.0
    with pytest.raises(LatticeError, match="at least 3 slices"):
        segment(inputs / "la_2ch.nii.gz", bundle=untrained_bundle)
    view = read_cine(inputs / "la_2ch.nii.gz")
    assert segmenter.segment(view).labels.shape == view.array.shape  # as the sentence says


def test_a_rate_that_no_heart_has_is_refused_before_anything(segmenter: Segmenter, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="30 to 240 beats a minute, got 400"):
        CaseRunner(segmenter, tmp_path, choices=Choices(heart_rate_bpm=400))


def test_a_pseudonym_hides_the_archive_and_what_is_in_it(segmenter: Segmenter, inputs: Path, tmp_path: Path) -> None:
    doe = tmp_path / "in" / "Doe^Jane.zip"
    doe.parent.mkdir()
    doe.write_bytes((inputs / "one.zip").read_bytes())
    runner = CaseRunner(segmenter, tmp_path / "out", choices=Choices(objects=False), secret="secret")
    (result,) = segment_path(runner, doe)
    assert result.error is None
    assert result.name.startswith("P-")
    written = "".join(path.read_text(encoding="utf-8") for path in result.folder.glob("*.json"))
    assert "Doe" not in written
    doe.write_bytes(doe.read_bytes()[:5000])
    (result,) = segment_path(runner, doe)
    assert (
        result.error == "an archive must be whole, with no password, got one that is not: File is not a zip file [...]"
    )


def test_a_damaged_archive_fails_by_its_name_and_the_rest_goes_on(
    segmenter: Segmenter, inputs: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.zip").write_bytes((inputs / "one.zip").read_bytes()[:5000])
    (tmp_path / "in" / "two.mha").write_bytes((inputs / "heart.mha").read_bytes())
    runner = CaseRunner(segmenter, tmp_path / "out", choices=Choices(objects=False))
    one, two = segment_path(runner, tmp_path / "in")
    assert (one.name, two.name, two.error) == ("one", "two", None)
    assert one.error.endswith(f"[{tmp_path / 'in' / 'one.zip'}]")


def test_the_command_line(inputs: Path, untrained_bundle: Path, tmp_path: Path) -> None:
    arguments = ["segment", str(inputs / "heart.mha"), "-o", str(tmp_path), "--bundle", str(untrained_bundle)]
    ran = CliRunner().invoke(cli.app, [*arguments, "--heart-rate", "60", "--no-objects", "--quiet"])
    assert ran.exit_code == 0, ran.output
    record = json.loads((tmp_path / "heart" / "measurements.json").read_text(encoding="utf-8"))
    assert record["heart_rate_bpm"] == 60.0
    assert record["times_ms"] == pytest.approx([0.0, 1000 / 3, 2000 / 3], abs=1e-3)
    ran = CliRunner().invoke(cli.app, [*arguments, "--heart-rate", "6"])
    assert isinstance(ran.exception, ConfigError)
