"""The calibration of a cross-validation: each patient by the network that never saw them."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.app import calibration
from pipeline.app.calibration import calibrate
from pipeline.app.segmenter import Segmenter
from pipeline.core.digests import file_digest
from pipeline.core.errors import BundleError, ConfigError, DatasetError
from pipeline.evaluate.overlap import volume_overlap
from pipeline.measure.certainty.calibration import Calibration
from pipeline.phantom.dataset import write_dataset
from pipeline.read.cine import read_cine, read_label
from pipeline.read.datasets import load_datalist
from pipeline.write.tables import write_table
from tests.evaluate.test_calibration import make_rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibration") / "data"
    write_dataset(folder, n_patients=3, n_phases=2, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
    return folder


def make_fold(bundle: Path, root: Path, patients: list[str]) -> Path:
    shutil.copytree(bundle, root)
    (root / "eval").mkdir()
    (root / "eval" / "run.json").write_text(json.dumps({"split": {"validation": patients}}))
    return root


def test_a_fold_tells_of_its_own_patients_and_is_not_asked_twice(
    untrained_bundle: Path, data: Path, tmp_path: Path
) -> None:
    cases = load_datalist(data)
    patients = sorted({case["patient"] for case in cases})[:2]
    fold = make_fold(untrained_bundle, tmp_path / "fold0", patients)
    rows = calibration._judge_fold(fold, cases)
    assert {(row.patient, row.volume) for row in rows} == {(one, phase) for one in patients for phase in ("ED", "ES")}
    case = next(case for case in cases if case["patient"] == patients[1])
    labels = Segmenter(fold).segment(read_cine(case["image"])).labels
    truth = read_label(case["label"], scheme=case["scheme"])
    ml = truth.grid.voxel_volumes_ml
    of_phase = [
        {
            name: (overlap["dice"], float((labels[phase] == value).sum(axis=(0, 1)) @ ml))
            for value, (name, overlap) in enumerate(volume_overlap(truth.array[phase], labels[phase]).items(), start=1)
        }
        for phase in range(2)
    ]
    cavity_ml = [(array == 1).sum() for array in truth.array]
    for role, phase in (("ED", int(np.argmax(cavity_ml))), ("ES", int(np.argmin(cavity_ml)))):
        for row in rows:
            if (row.patient, row.volume) == (patients[1], role):
                assert (row.dice, row.found_ml) == pytest.approx(of_phase[phase][row.structure])
    shutil.rmtree(fold / "models")  # it is not needed any more
    again = calibration._judge_fold(fold, cases)
    np.testing.assert_equal([vars(row) for row in again], [vars(row) for row in rows])


def test_a_structure_that_was_not_drawn_is_not_counted_as_missed(
    untrained_bundle: Path, data: Path, tmp_path: Path
) -> None:
    cases = load_datalist(data)[:1]
    fold = make_fold(untrained_bundle, tmp_path / "fold0", [cases[0]["patient"]])
    label = nib.load(cases[0]["label"])
    cavity = tmp_path / "cavity.nii.gz"
    nib.save(nib.Nifti1Image((np.asarray(label.dataobj) == 1).astype(np.uint8), label.affine, label.header), cavity)
    rows = calibration._judge_fold(fold, [{**cases[0], "label": str(cavity), "drawn_structures": ["LV"]}])
    assert {row.structure for row in rows if row.is_drawn} == {"left_ventricle"}
    assert len(rows) == 6


def test_tables_and_calibration_of_all_folds(untrained_bundle: Path, data: Path, tmp_path: Path) -> None:
    patients = sorted({case["patient"] for case in load_datalist(data)})
    folds = [make_fold(untrained_bundle, tmp_path / f"fold{n}", patients[n : n + 1]) for n in (0, 1)]
    for seed, fold in enumerate(folds):
        write_table(fold / "eval" / "certainty.csv", [calibration._flat(row) for row in make_rows(40, seed=seed)])
    tables = calibrate(folds, [data], tmp_path / "out")
    made = Calibration.from_json(json.loads((tmp_path / "out" / "calibration.json").read_text()))
    assert made.made_from == {"data": "data", "folds": 2, "patients": 80, "volumes": 160}
    assert tables["verdict"]["volumes"] == 160
    assert json.loads((tmp_path / "out" / "calibration_tables.json").read_text())["coverage"] == tables["coverage"]
    assert all(0.8 < one["share"] < 0.98 for one in tables["coverage"].values())
    assert sum(row["n"] for row in tables["reliability"]) == 160
    bundle = shutil.copytree(untrained_bundle, tmp_path / "bundle")
    calibrate(folds, [data], tmp_path / "out", bundle=bundle)
    segmenter = Segmenter(bundle)
    assert segmenter.calibration.pass_dice == made.pass_dice
    assert Segmenter(untrained_bundle).calibration is None
    cine = read_cine(load_datalist(data)[0]["image"])
    measured = segmenter.make_case(cine, segmenter.segment(cine)).measurements
    assert measured.certainty.pass_dice == made.pass_dice
    picture = (tmp_path / "out" / "reliability.png").read_bytes()
    assert picture == (bundle / "docs" / "reliability.png").read_bytes()
    digest = file_digest(bundle / "models" / "calibration.json")
    assert segmenter.provenance.settings["calibration_sha256"] == digest  # another one makes results out of date
    assert Segmenter(untrained_bundle).provenance.settings["calibration_sha256"] is None
    with pytest.raises(BundleError, match="no bundle at"):
        calibrate(folds, [data], tmp_path / "out", bundle=tmp_path / "nowhere")
    shutil.rmtree(bundle / "models")
    with pytest.raises(BundleError, match="there are none at"):
        calibrate(folds, [data], tmp_path / "out", bundle=bundle)
    shutil.copy(folds[0] / "eval" / "certainty.csv", folds[1] / "eval" / "certainty.csv")
    with pytest.raises(DatasetError, match="validated in one fold alone"):
        calibrate(folds, [data], tmp_path / "out")


def test_what_was_drawn_in_part_is_judged_and_not_calibrated_by(
    untrained_bundle: Path, data: Path, tmp_path: Path
) -> None:
    patients = sorted({case["patient"] for case in load_datalist(data)})
    folds = [make_fold(untrained_bundle, tmp_path / f"fold{n}", patients[n : n + 1]) for n in (0, 1)]
    rows = [make_rows(40, seed=0), make_rows(40, seed=1)]
    first = rows[1][0].patient
    partly = [
        replace(row, dice=np.nan, true_ml=np.nan) if row.patient == first and row.structure != "left_ventricle" else row
        for row in rows[1]
    ]
    for fold, own in zip(folds, (rows[0], partly), strict=True):
        write_table(fold / "eval" / "certainty.csv", [calibration._flat(row) for row in own])
    tables = calibrate(folds, [data], tmp_path / "out")
    made = Calibration.from_json(json.loads((tmp_path / "out" / "calibration.json").read_text()))
    assert made.made_from == {"data": "data", "folds": 2, "patients": 79, "volumes": 158}
    assert tables["verdict"]["volumes"] == 158
    own = [row for row in partly if row.patient == first and row.structure == "left_ventricle"]
    told = tables["partly_drawn"]["left_ventricle"]
    assert (told["volumes"], told["dice"]) == (2, round(float(np.mean([row.dice for row in own])), 4))
    assert tables["partly_drawn"].keys() == {"left_ventricle"}
    with (tmp_path / "out" / "out_of_fold.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 480
    undrawn = [row for row in table if row["patient"] == first and row["structure"] == "right_ventricle"]
    assert [(row["dice"], row["true_ml"], bool(row["expected_dice"])) for row in undrawn] == [("", "", True)] * 2


def test_what_is_no_fold_is_refused(untrained_bundle: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two or more, got 1"):
        calibrate([untrained_bundle], [data], tmp_path)
    with pytest.raises(ConfigError, match=r"has no eval/run\.json"):
        calibrate([untrained_bundle, untrained_bundle], [data], tmp_path)
