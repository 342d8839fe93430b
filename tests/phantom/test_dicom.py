"""Phantom studies as DICOM: what is written is what a reader finds, in every layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from pipeline.core.errors import ConfigError
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import LAYOUTS, write_study
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.cine import read_cine


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(3), n_phases=4, n_slices=5, size=48, pixel_mm=6.0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_reads_back_alike(study: PhantomStudy, tmp_path: Path, layout: str) -> None:
    write_study(study, tmp_path, layout=layout)
    cine = read_cine(tmp_path)
    expected = study.image.array[:1] if layout == "static" else study.image.array
    np.testing.assert_array_equal(cine.array, expected)
    assert cine.grid.matches(study.image.grid, tolerance_mm=1e-3)
    if layout != "static":
        assert cine.times_ms == pytest.approx(study.image.times_ms, abs=0.01)
    assert cine.facts.heart_rate_bpm == pytest.approx(study.patient.heart_rate_bpm)
    assert cine.facts.height_m == 1.75


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_say_that_they_are_synthetic_and_differ(study: PhantomStudy, tmp_path: Path, layout: str) -> None:
    files = [pydicom.dcmread(path) for path in write_study(study, tmp_path, layout=layout)]
    assert {str(file.PatientName) for file in files} == {"PHANTOM^SYNTHETIC"}
    assert all("synthetic" in file.SeriesDescription and "not a patient" in file.ImageComments for file in files)
    assert len({file.SOPInstanceUID for file in files}) == len(files)
    assert len({file.StudyInstanceUID for file in files}) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_checker_finds_no_error(
    study: PhantomStudy, tmp_path: Path, layout: str, checker_errors: Callable[[Path, str], list[str]]
) -> None:
    paths = write_study(study, tmp_path, layout=layout)
    assert [error for path in (*paths[:5], paths[-1]) for error in checker_errors(path, "MRImage")] == []


def test_the_same_study_gives_the_same_bytes(study: PhantomStudy, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_study(study, tmp_path / "a")]
    assert first == [path.read_bytes() for path in write_study(study, tmp_path / "b")]


def test_localiser_and_long_axis_are_left_out_and_listed(study: PhantomStudy, tmp_path: Path) -> None:
    write_study(study, tmp_path / "with")
    write_study(study, tmp_path / "without", extras=False)
    assert len(list((tmp_path / "with").iterdir())) == len(list((tmp_path / "without").iterdir())) + 3 + 4
    notes = " ".join(read_cine(tmp_path / "with").notes)
    assert "localiser" in notes.lower() or "left out" in notes.lower()


def test_unknown_layout_is_refused(study: PhantomStudy, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one_series"):
        write_study(study, tmp_path, layout="mosaic")
