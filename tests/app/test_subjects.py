"""A table of subjects on the command line: what a NIfTI lacks is measured with it, and kept."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.core.errors import InputError


def _run(*command: str) -> None:
    ran = CliRunner().invoke(cli.app, list(command))
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == 0, ran.output


def _record(out: Path, name: str) -> dict[str, Any]:
    return json.loads((out / name / "measurements.json").read_text(encoding="utf-8"))


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "cohort.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "subjects.csv"
    path.write_text("id,sex,age,height_cm,weight_kg,heart_rate_bpm\n4711,F,97,170,65,60\n")
    return path


def test_a_nifti_cine_gets_output_and_indices(
    untrained_bundle: Path, studies: Path, tmp_path: Path, table: Path
) -> None:
    for name in ("4711", "4712"):
        (tmp_path / name).mkdir()
        shutil.copy(studies / "two.nii.gz", tmp_path / name / "cine.nii.gz")
    out, name = tmp_path / "out", "4711_cine"
    common = ["--bundle", str(untrained_bundle), "--no-objects", "--subjects", str(table)]
    _run("segment", str(tmp_path / "4711"), str(tmp_path / "4712"), "-o", str(out), *common)
    record, other = _record(out, name), _record(out, "4712_cine")
    assert set(other["subject"].values()) == {None}
    assert record["subject"] == {"sex": "F", "age_years": 97.0, "height_cm": 170.0, "weight_kg": 65.0}
    assert record["source"]["subject"] == record["subject"]
    assert record["heart_rate_bpm"] == 60.0
    stroke_ml = record["left_ventricle"]["sv_ml"]
    assert record["left_ventricle"]["co_l_per_min"] == pytest.approx(stroke_ml * 60 / 1000, abs=2e-3)
    assert record["bsa_m2"] == pytest.approx((170 * 65 / 3600) ** 0.5, abs=1e-3)
    assert "left_ventricle_co_l_per_min_per_m2" in record["indexed"]
    row, _ = _rows(out)
    assert (row["case_name"], row["sex"], row["weight_kg"], row["heart_rate_bpm"]) == (name, "F", "65.0", "60.0")
    _run("report", str(out / name))
    assert _record(out, name)["subject"] == record["subject"]  # as it was stated
    table.write_text("id,weight_kg\n4711,80\nother,70\n")
    _run("report", str(out / name), "--subjects", str(table))
    assert _record(out, name)["subject"] == {"sex": None, "age_years": None, "height_cm": None, "weight_kg": 80.0}
    assert _record(out, name)["heart_rate_bpm"] == 60.0
    row, _ = _rows(out)
    assert (row["sex"], row["weight_kg"]) == ("", "80.0")


def test_under_a_pseudonym_the_path_finds_the_row_and_the_age_is_not_told(
    untrained_bundle: Path, namesakes: list[Path], tmp_path: Path, table: Path
) -> None:
    shutil.copytree(namesakes[0], tmp_path / "in" / "Doe" / "DICOM")
    table.write_text(table.read_text().replace("4711", "Doe"))
    out = tmp_path / "out"
    options = ["--bundle", str(untrained_bundle), "--no-objects", "--pseudonym", "secret", "--subjects", str(table)]
    _run("segment", str(tmp_path / "in"), "-o", str(out), *options)
    (folder,) = out.glob("P-*")
    text = (folder / "measurements.json").read_text()
    assert json.loads(text)["subject"]["age_years"] == json.loads(text)["source"]["subject"]["age_years"] == 90.0
    assert "Doe" not in text + (out / "cohort.csv").read_text()
    assert "the images' header says" in text  # the phantom's own height and weight


def test_a_table_that_is_not_right_stops_the_run_before_anything(
    untrained_bundle: Path, studies: Path, tmp_path: Path, table: Path
) -> None:
    table.write_text("id,height_cm\n4711,1.7\n")
    command = ["segment", str(studies), "-o", str(tmp_path / "out"), "--bundle", str(untrained_bundle)]
    with pytest.raises(InputError, match=r"`height_cm` must be 25 to 260, got '1\.7'"):
        _run(*command, "--subjects", str(table))
    assert not list((tmp_path / "out").glob("*/measurements.json"))
