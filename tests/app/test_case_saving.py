"""What a bundle writes of a case by MONAI's own commands: what the reader knew goes in, what nobody knows is null."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from pipeline.app.transforms import CaseSaveImaged
from pipeline.core.errors import LatticeError
from pipeline.core.geometry import Grid
from pipeline.core.images import StudyFacts
from pipeline.core.measurements import Papillary
from pipeline.core.probability_sums import ProbabilitySums
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.read.cine import read_cine

AFFINE = np.diag([-1.5, -2.0, 8.0, 1.0])
TIMES_MS = (0.0, 200.0, 400.0, 600.0)


def _labels() -> np.ndarray:
    """Four phases of a beating ring and a right ventricle beside it."""
    x, y = np.indices((40, 40)) - 20.0
    labels = np.zeros((4, 40, 40, 5), dtype=np.uint8)
    for phase, radius in enumerate((9.0, 7.0, 6.0, 8.0)):
        labels[phase, np.hypot(x + 12.0, y) < 8.0 + radius / 9.0] = 3
        labels[phase, np.hypot(x, y) < np.hypot(radius, 8.0)] = 2
        labels[phase, np.hypot(x, y) < radius] = 1
    return labels


def _sums(dice: np.ndarray) -> ProbabilitySums:
    """Sums of one slice of 100 pixels, (T, structures, 1), with this expected Dice; NaN where nothing is decided."""
    decided = np.where(np.isnan(dice), 0.0, 100.0)[..., None]
    agreed = np.nan_to_num(dice)[..., None] * 100.0
    return ProbabilitySums(decided, agreed, decided, decided, decided)


def _saved(folder: Path, meta: dict[str, Any], *, choice: PhaseChoice | None = None, **item: Any) -> dict[str, Any]:
    labels = MetaTensor(torch.from_numpy(_labels()), affine=torch.from_numpy(AFFINE), meta=meta)
    data = {"pred": labels, "case": "one", **item}
    passed = CaseSaveImaged("pred", str(folder), choice=choice)(data)
    assert passed == data
    assert passed["pred"] is labels
    text = (folder / "one" / "measurements.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    return json.loads(text)


def _alone(**known: Any) -> dict[str, Any]:
    """What the labels alone say, nobody having judged them."""
    measured = measure_cine(_labels(), Grid((40, 40, 5), AFFINE), **known).to_json()
    return {
        key: value for key, value in measured.items() if key not in ("confidence", "certainty", "intervals", "quality")
    }


@pytest.mark.parametrize("papillary", ["cavity", "mass"])
def test_blood_is_told_from_the_images_own_file(tmp_path: Path, papillary: Papillary) -> None:
    labels = _labels()
    image = np.where(labels == 1, 300, 100).astype(np.int16)
    image[:, 19:21, 19:21] = 100  # four pixels of papillary muscle
    path = tmp_path / "one.nii.gz"
    nib.save(nib.Nifti1Image(np.moveaxis(image, 0, -1), AFFINE), path)
    choice = PhaseChoice(papillary=papillary)
    record = _saved(tmp_path, {"filename_or_obj": str(path)}, choice=choice)
    voxel_ml = 1.5 * 2.0 * 8.0 / 1000.0
    cavity = (labels[0] == 1).sum() * voxel_ml
    assert record["left_ventricle_blood"]["edv_ml"] == pytest.approx(cavity - 4 * 5 * voxel_ml, abs=1e-3)
    assert record["papillary"] == papillary
    own = record["left_ventricle_blood"]["edv_ml"] if papillary == "mass" else pytest.approx(cavity, abs=1e-3)
    assert record["left_ventricle"]["edv_ml"] == own
    path.unlink()
    assert _saved(tmp_path, {"filename_or_obj": str(path)}, choice=choice)["left_ventricle_blood"] is None


def test_what_the_reader_knew_reaches_the_measurements(tmp_path: Path) -> None:
    meta = {
        "times_ms": np.array(TIMES_MS),
        "heart_rate_bpm": 72.0,
        "height_m": 1.8,
        "weight_kg": 80.0,
        "age_years": 41.0,
        "ed_phase": 1.0,
        "es_phase": 0.0,
        "sex": "F",
        "notes": "a slice was left out\nthe clock stood",
    }
    saved = _saved(tmp_path, meta)
    facts = StudyFacts(
        heart_rate_bpm=72.0, height_m=1.8, weight_kg=80.0, sex="F", age_years=41.0, ed_phase=1, es_phase=0
    )
    expected = _alone(times_ms=list(TIMES_MS), facts=facts)
    assert saved["notes"] == ["a slice was left out", "the clock stood", *expected["notes"]]
    assert {key: saved[key] for key in expected if key != "notes"} == {
        key: value for key, value in expected.items() if key != "notes"
    }
    assert set(saved) - set(expected) == {"confidence", "certainty", "intervals", "quality", "files"}
    assert saved["times_ms"] == list(TIMES_MS)
    drawn = read_cine(tmp_path / "one" / "segmentation.nii.gz")
    np.testing.assert_array_equal(drawn.array, _labels())
    assert drawn.times_ms == TIMES_MS


@pytest.mark.parametrize("meta", [{}, dict.fromkeys(("heart_rate_bpm", "height_m", "weight_kg"), math.nan)])
def test_where_the_header_is_silent_nothing_is_made_up(tmp_path: Path, meta: dict[str, Any]) -> None:
    saved = _saved(tmp_path, {**meta, "notes": ""})
    expected = _alone()
    assert {key: saved[key] for key in expected} == expected
    assert saved["confidence"] is None


def test_confidence_is_by_structure_and_absent_ones_are_null(tmp_path: Path) -> None:
    confidence = np.array([[0.951234, 0.93, 0.9], [0.95, np.nan, 0.9], [0.95, 0.93, 0.90006], [0.95, 0.93, 0.5]])
    saved = _saved(tmp_path, {}, confidence=_sums(confidence))
    assert saved["confidence"] == {
        "left_ventricle": [0.9512, 0.95, 0.95, 0.95],
        "myocardium": [0.93, None, 0.93, 0.93],
        "right_ventricle": [0.9, 0.9, 0.9001, 0.5],
    }


def test_confidence_of_other_structures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        _saved(tmp_path, {}, confidence=_sums(np.full((4, 2), 0.9)))


def test_flags_are_of_the_measurements_and_the_confidence(tmp_path: Path) -> None:
    sure = np.full((4, 3), 0.99)
    unsure = np.full((4, 3), 0.5)
    rules = [
        {flag["rule"] for flag in _saved(tmp_path, {}, confidence=_sums(confidence))["quality"]["flags"]}
        for confidence in (sure, unsure)
    ]
    assert rules[1] - rules[0] == {"low_confidence"}


def test_the_user_s_phases_are_taken(tmp_path: Path) -> None:
    saved = _saved(tmp_path, {}, choice=PhaseChoice(ed=3, es=1))
    assert (saved["ed_phase"], saved["es_phase"]) == (3, 1)


def test_keys_and_folder_may_be_named_otherwise(tmp_path: Path) -> None:
    labels = MetaTensor(torch.from_numpy(_labels()), affine=torch.from_numpy(AFFINE))
    save = CaseSaveImaged("truth", str(tmp_path / "new"), case_key="who", confidence_key="sureness")
    save({"truth": labels, "who": 7, "sureness": _sums(np.full((4, 3), 0.9))})
    saved = json.loads((tmp_path / "new" / "7" / "measurements.json").read_text(encoding="utf-8"))
    assert saved["confidence"]["myocardium"] == [0.9] * 4
    save({"truth": labels, "who": 7})  # once more, over what is there
    assert json.loads((tmp_path / "new" / "7" / "measurements.json").read_text())["confidence"] is None


def test_an_image_file_of_two_slices_is_not_measured(tmp_path: Path) -> None:
    labels = MetaTensor(torch.from_numpy(_labels()[..., :2]), affine=torch.from_numpy(AFFINE), meta={"notes": ""})
    with pytest.raises(LatticeError, match="at least 3 slices, got 2"):
        CaseSaveImaged("pred", str(tmp_path))({"pred": labels, "case": "la_2ch"})
    labels.meta["source_files"] = "1.dcm"  # a DICOM series that was named
    CaseSaveImaged("pred", str(tmp_path))({"pred": labels, "case": "named"})
    assert (tmp_path / "named" / "measurements.json").is_file()
