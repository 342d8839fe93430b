"""Splits: by patient, twins together, the same whatever the order."""

from __future__ import annotations

import json
import random
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import ConfigError, DatasetError, UnreadableError
from pipeline.read.datasets import load_datalist
from pipeline.train.splits import choose_cases, find_twins, kfold, split_patients


def write(path: Path, array: np.ndarray) -> str:
    nib.save(nib.Nifti1Image(array, np.diag([1.5, 1.5, 8.0, 1.0])), path)
    return str(path)


def noise(seed: int, n_phases: int = 1) -> np.ndarray:
    array = np.random.default_rng(seed).integers(0, 1000, (30, 28, 6, n_phases), dtype=np.int16)
    return array[..., 0] if n_phases == 1 else array


@pytest.fixture
def ten(tmp_path: Path) -> list[dict]:
    """Ten patients, ED and ES each; `p3` and `p7` are one."""
    cases = []
    for number in range(10):
        for phase, shift in (("ED", 0), ("ES", 100)):
            seed = 3 if number == 7 else number
            image = write(tmp_path / f"p{number}_{phase}.nii", noise(seed + shift))
            cases.append({"image": image, "label": image, "patient": f"p{number}", "phase": phase})
    return cases


def names(cases: list[dict]) -> set[str]:
    return {case["patient"] for case in cases}


def twins_of(tmp_path: Path, first: np.ndarray, second: np.ndarray) -> list[frozenset[str]]:
    arrays = {"a": first, "b": second, "c": noise(99)}
    return find_twins([{"image": write(tmp_path / f"{k}.nii.gz", v), "patient": k} for k, v in arrays.items()])


def test_twins_are_found_by_pixels(ten: list[dict]) -> None:
    assert find_twins(ten) == [frozenset({"p3", "p7"})]


def test_twins_in_other_clothes_are_found(tmp_path: Path) -> None:
    image = noise(1)
    ab = [frozenset({"a", "b"})]
    assert twins_of(tmp_path, image, image.astype(np.float32)) == ab
    assert twins_of(tmp_path, image, (image * 0.731 + 12).astype(np.float32)) == ab
    assert twins_of(tmp_path, image, (image / 4).astype(np.uint8)) == ab


def test_a_phase_of_a_cine_is_its_twin(tmp_path: Path) -> None:
    cine = noise(1, n_phases=4)
    assert twins_of(tmp_path, cine, cine[..., 2]) == [frozenset({"a", "b"})]


def test_strangers_and_blank_images_are_not_twins(tmp_path: Path) -> None:
    assert twins_of(tmp_path, noise(1), noise(2)) == []
    assert twins_of(tmp_path, np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9, 3), np.uint8)) == []


def test_twins_of_twins_are_one_group(tmp_path: Path) -> None:
    images = {"a": [1], "b": [1, 2], "c": [2, 3], "d": [3], "e": [4]}
    cases = [
        {"image": write(tmp_path / f"{name}{seed}.nii", noise(seed)), "patient": name}
        for name, seeds in images.items()
        for seed in seeds
    ]
    assert find_twins(cases) == [frozenset("abcd")]


def test_two_patients_naming_one_file_are_twins(tmp_path: Path) -> None:
    image = write(tmp_path / "i.nii", noise(1))
    assert find_twins([{"image": image, "patient": "a"}, {"image": image, "patient": "b"}]) == [frozenset("ab")]


@pytest.mark.parametrize("seed", range(8))
def test_split_keeps_patients_and_twins_together(ten: list[dict], seed: int) -> None:
    training, validation = split_patients(ten, val_fraction=0.3, seed=seed)
    assert len(training) + len(validation) == 20
    assert not names(training) & names(validation)
    assert len(names(validation)) == 3 or (len(names(validation)) == 2 and not {"p3", "p7"} & names(validation))
    assert ("p3" in names(validation)) == ("p7" in names(validation))


def test_order_of_the_list_does_not_matter_and_the_seed_does(ten: list[dict]) -> None:
    first = split_patients(ten, val_fraction=0.3, seed=1)
    shuffled = random.Random(0).sample(ten, len(ten))
    assert split_patients(shuffled, val_fraction=0.3, seed=1) == first
    assert kfold(shuffled, n_folds=3, fold=1, seed=1) == kfold(ten, n_folds=3, fold=1, seed=1)
    others = [names(split_patients(ten, val_fraction=0.3, seed=seed)[1]) for seed in range(6)]
    assert any(other != names(first[1]) for other in others)


def test_folds_cover_every_patient_once(ten: list[dict]) -> None:
    folds = [names(kfold(ten, n_folds=4, fold=fold, seed=2)[1]) for fold in range(4)]
    assert sorted(name for fold in folds for name in fold) == [f"p{n}" for n in range(10)]
    assert max(map(len, folds)) - min(map(len, folds)) <= 2
    assert [fold for fold in folds if "p3" in fold] == [fold for fold in folds if "p7" in fold]
    training, validation = kfold(ten, n_folds=4, fold=0, seed=2)
    assert names(training) == {f"p{n}" for n in range(10)} - names(validation)


def with_diagnoses(numbers: dict[str, int]) -> list[dict]:
    """Cases of a pack, which need no images: so many patients of each diagnosis."""
    return [
        {"patient": f"{diagnosis}{n}", "phase": phase, "image": f"{diagnosis}{n}", "group": diagnosis, "twins": []}
        for diagnosis, size in numbers.items()
        for n in range(size)
        for phase in ("ED", "ES")
    ]


@pytest.mark.parametrize("seed", range(4))
def test_folds_are_alike_in_diagnoses(seed: int) -> None:
    cases = with_diagnoses({"DCM": 11, "HCM": 7, "NOR": 4, "": 3})
    folds = [names(kfold(cases, n_folds=5, fold=fold, seed=seed)[1]) for fold in range(5)]
    assert sorted(map(len, folds)) == [5] * 5
    for diagnosis, most in (("DCM", 3), ("HCM", 2), ("NOR", 1)):
        counts = [sum(name.startswith(diagnosis) for name in fold) for fold in folds]
        assert max(counts) == most
        assert max(counts) - min(counts) == 1


def test_a_few_patients_of_another_diagnosis_move_nobody() -> None:
    own = {"DCM": 11, "HCM": 7}
    without, beside = with_diagnoses(own), with_diagnoses(own | {"AAA": 6})
    for fold in range(5):
        kept = names(kfold(beside, n_folds=5, fold=fold)[1])
        assert {name for name in kept if not name.startswith("AAA")} == names(kfold(without, n_folds=5, fold=fold)[1])


def test_small_sets(ten: list[dict]) -> None:
    three = [case for case in ten if case["patient"] in {"p3", "p7", "p1"}]
    training, validation = split_patients(three, val_fraction=0.01)
    assert names(validation) == {"p1"}
    assert names(training) == {"p3", "p7"}
    pair = [case for case in ten if case["patient"] in {"p3", "p7"}]
    with pytest.raises(DatasetError, match="at least 2 patients, twins counted as one, got 1"):
        split_patients(pair)
    with pytest.raises(DatasetError, match="got 0"):
        split_patients([])
    with pytest.raises(DatasetError, match="at least 10"):
        kfold(ten, n_folds=10, fold=0)


def test_arguments_out_of_range(ten: list[dict]) -> None:
    for fraction in (0.0, 1.0, -0.2):
        with pytest.raises(ConfigError, match="val_fraction"):
            split_patients(ten, val_fraction=fraction)
    for n_folds, fold in ((1, 0), (5, 5), (5, -1)):
        with pytest.raises(ConfigError, match="n_folds"):
            kfold(ten, n_folds=n_folds, fold=fold)


def test_unreadable_images_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.nii").write_bytes(b"no")
    with pytest.raises(UnreadableError, match=r"x\.nii\]"):
        find_twins([{"image": str(tmp_path / "x.nii"), "patient": "a"}])


def test_cases_of_a_run(tmp_path: Path, ten: list[dict], caplog: pytest.LogCaptureFixture) -> None:
    record = tmp_path / "run.json"
    record.write_text(json.dumps({"split": {"train": ["p0"], "validation": ["p1", "p3"]}}))
    assert choose_cases(ten) == ten
    assert choose_cases(ten, "all") == ten
    assert [case["patient"] for case in choose_cases(ten, str(record))] == ["p1", "p1", "p3", "p3"]
    with pytest.raises(DatasetError, match="it lacks 1"):
        choose_cases([case for case in ten if case["patient"] != "p3"], record)
    with caplog.at_level("WARNING"):
        partly = choose_cases([case for case in ten if case["patient"] != "p3"], record, partly=True)
    assert [case["patient"] for case in partly] == ["p1", "p1"]
    assert "1 of the 2 validation patients" in caplog.text
    with pytest.raises(DatasetError, match="it lacks 2"):
        choose_cases([case for case in ten if case["patient"] not in {"p1", "p3"}], record, partly=True)
    for text in ("{", "[]", '{"split": {}}', '{"split": {"validation": []}}'):
        record.write_text(text)
        with pytest.raises(DatasetError, match=r"run\.json\]"):
            choose_cases(ten, record)


def test_acdc_twins_are_found(cmr_data: Path) -> None:
    cases = load_datalist(cmr_data / "acdc")
    assert find_twins(cases) == [frozenset({"patient074", "patient076"})]
