"""Sunnybrook: real DICOM and contours to a label map on the cine's own grid."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import DatasetError
from pipeline.read.cine import read_cine, read_label
from pipeline.read.contours import coverage, read_contour
from pipeline.read.datalists.sunnybrook import looks_like_sunnybrook, sunnybrook_cases
from pipeline.read.datasets import load_datalist


@pytest.fixture(scope="module")
def cases(cmr_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    return load_datalist(cmr_data / "sunnybrook", label_dir=tmp_path_factory.mktemp("labels"))


def test_phases_are_found(cases: list[dict]) -> None:
    assert [(case["patient"], case["ed_phase"], case["es_phase"]) for case in cases] == [
        ("SCD0000101", 18, 7),
        ("SCD0000201", 19, 6),
    ]
    assert all(case["scheme"] == "cmr" and case["phase"] == "" for case in cases)


def test_labels_lie_on_the_cine_and_give_heart_failure_volumes(cases: list[dict]) -> None:
    for case in cases:
        label, cine = read_label(case["label"], scheme=case["scheme"]), read_cine(case["image"])
        assert label.grid.matches(cine.grid)
        assert label.array.shape == cine.array.shape
        drawn = np.flatnonzero((label.array != 255).any(axis=(1, 2, 3)))
        assert drawn.tolist() == sorted((case["ed_phase"], case["es_phase"]))
        ed, es = (label.array[case[key]] for key in ("ed_phase", "es_phase"))
        edv, esv, myo = (float(mask.sum()) * label.grid.voxel_volume_ml for mask in (ed == 1, es == 1, ed == 2))
        assert 150 < edv < 300
        assert 15 < 100 * (1 - esv / edv) < 40  # the group is defined by an ejection fraction below 40 %
        assert 60 < 1.05 * myo < 250
        assert not (es == 2).any()
        # Blood is bright: a contour on the wrong frame or mirrored would not tell it from muscle.
        pixels = cine.array[case["ed_phase"]]
        assert pixels[ed == 1].mean() > 1.3 * pixels[ed == 2].mean()


def test_label_areas_are_the_contours(cases: list[dict], cmr_data: Path) -> None:
    label = read_label(cases[0]["label"], scheme="cmr")
    drawn = sorted((cmr_data / "sunnybrook/contours/SC-HF-I-1/i-contours").glob("*.txt"))
    exact = sum(float(coverage(read_contour(path), shape=label.grid.shape[:2]).sum()) for path in drawn)
    assert float((label.array == 1).sum()) == pytest.approx(exact, rel=0.01)


def broken_copy(folder: Path, source: Path) -> Path:
    (folder / "dicom").mkdir()
    shutil.copy(source / "link.csv", folder / "link.csv")
    (folder / "dicom" / "SCD0000101").symlink_to(source / "dicom" / "SCD0000101")
    shutil.copytree(source / "contours" / "SC-HF-I-1", folder / "contours" / "SC-HF-I-1", copy_function=shutil.copyfile)
    for path in (folder / "contours").rglob("*"):
        path.chmod(0o755)
    return folder


def test_a_contour_of_no_instance_is_refused(tmp_path: Path, cmr_data: Path) -> None:
    folder = broken_copy(tmp_path, cmr_data / "sunnybrook")
    found = next((folder / "contours").rglob("IM-0001-0048-icontour-manual.txt"))
    found.rename(found.with_name("IM-0001-9999-icontour-manual.txt"))
    with pytest.raises(DatasetError, match="none has number 9999"):
        load_datalist(folder, label_dir=tmp_path / "labels")


def test_images_without_contours_are_refused(tmp_path: Path, cmr_data: Path) -> None:
    folder = broken_copy(tmp_path, cmr_data / "sunnybrook")
    shutil.rmtree(folder / "contours" / "SC-HF-I-1")
    with pytest.raises(DatasetError, match="one is absent"):
        load_datalist(folder, label_dir=tmp_path / "labels")


def test_default_label_folder_is_the_users_cache(
    tmp_path: Path, cmr_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    case = load_datalist(broken_copy(tmp_path / "set", cmr_data / "sunnybrook"))[0]
    assert Path(case["label"]).is_relative_to(tmp_path / "cache" / "cardiac-mr-pipeline")


def square(path: Path, low: float, high: float) -> None:
    """A contour file, pixels counted from 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(f"{x} {y}" for x, y in ((low, low), (high, low), (high, high), (low, high))))


def contour(folder: Path, number: int, kind: str, low: float, high: float, *, original: str = "SC-1") -> Path:
    path = folder / "contours" / original / f"{kind}-contours" / f"IM-0001-{number:04d}-{kind}contour-manual.txt"
    square(path, low, high)
    return path


@pytest.fixture
def made(tmp_path: Path, new_study: Callable[..., Any]) -> Path:
    """A study of 4 phases and 3 slices of 4 x 5 pixels, drawn at phase 3 (both contours, 2 slices) and phase 1 (one).

    Slice z of phase t has the number 4 z + t + 1.
    """
    new_study("set/dicom/P1").cine(4, 3)
    folder = tmp_path / "set"
    (folder / "link.csv").write_text("patient_id,original_id\nP1,SC-1\nP9,SC-9\n", encoding="utf-8-sig")
    for number in (4, 8):
        contour(folder, number, "i", 1.5, 3.5)
        contour(folder, number, "o", 0.5, 4.5)
    contour(folder, 6, "i", 2.5, 3.5)
    (folder / "contours" / "SC-1" / "readme.txt").write_text("no contour")
    return folder


def test_a_made_study_is_listed_and_its_contours_are_filled(made: Path, tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.INFO, logger="pipeline.read.datalists.sunnybrook"):
        (case,) = sunnybrook_cases(made, label_dir=tmp_path / "new" / "labels")
    label = tmp_path / "new" / "labels" / "P1.nii.gz"
    assert case == {
        "image": str(made / "dicom" / "P1"),
        "label": str(label),
        "patient": "P1",
        "phase": "",
        "scheme": "cmr",
        "ed_phase": 3,
        "es_phase": 1,
    }
    assert caplog.messages == [f"left out, neither images nor contours are there [{made / 'dicom' / 'P9'}]"]
    assert [path.name for path in label.parent.iterdir()] == ["P1.nii.gz"]
    stored, cine = nib.load(label), read_cine(case["image"])
    assert (stored.shape, stored.get_data_dtype(), stored.header.get_xyzt_units()[0]) == ((4, 5, 3, 4), np.uint8, "mm")
    np.testing.assert_allclose(stored.affine, cine.grid.affine, atol=1e-4)
    labels = np.asarray(stored.dataobj)
    drawn = [[2, 2, 2, 2, 0], [2, 1, 1, 2, 0], [2, 1, 1, 2, 0], [2, 2, 2, 2, 0]]
    assert labels[..., 0, 3].tolist() == labels[..., 1, 3].tolist() == drawn
    cavity_alone = np.full((4, 5), 133)  # what is not cavity there may be its wall
    cavity_alone[2, 2] = 1
    np.testing.assert_array_equal(labels[..., 1, 1], cavity_alone)
    assert [bool((labels[..., z, t] == 255).all()) for z in range(3) for t in range(4)] == [
        *(True, True, True, False),
        *(True, False, True, False),
        *(True, True, True, True),
    ]


def test_phases_are_named_as_far_as_contours_tell_them(made: Path, tmp_path: Path) -> None:
    for path in (made / "contours" / "SC-1" / "i-contours").glob("IM-0001-0006*"):
        path.unlink()
    (case,) = sunnybrook_cases(made, label_dir=tmp_path)
    assert (case.get("ed_phase"), case.get("es_phase")) == (3, None)
    shutil.rmtree(made / "contours" / "SC-1" / "o-contours")
    (case,) = sunnybrook_cases(made, label_dir=tmp_path)
    assert (case.get("ed_phase"), case.get("es_phase")) == (None, 3)


def test_of_several_phases_the_commonest_counts_and_then_the_first(made: Path, tmp_path: Path) -> None:
    contour(made, 11, "i", 1.5, 3.5)  # slice 2 of phase 2, beside phase 1 in slice 1
    (case,) = sunnybrook_cases(made, label_dir=tmp_path)
    assert case["es_phase"] == 1
    contour(made, 3, "i", 1.5, 3.5)  # and slice 0
    (case,) = sunnybrook_cases(made, label_dir=tmp_path)
    assert case["es_phase"] == 2


def test_a_contour_of_no_image_is_refused_by_name(made: Path, tmp_path: Path) -> None:
    path = contour(made, 13, "o", 1.5, 3.5)
    with pytest.raises(DatasetError) as caught:
        sunnybrook_cases(made, label_dir=tmp_path)
    assert str(caught.value) == f"a contour must belong to an instance, none has number 13 [{path}]"


@pytest.mark.parametrize("absent", ["dicom/P1", "contours/SC-1"])
def test_half_a_study_is_refused_by_name(made: Path, tmp_path: Path, absent: str) -> None:
    shutil.rmtree(made / absent)
    with pytest.raises(DatasetError) as caught:
        sunnybrook_cases(made, label_dir=tmp_path)
    assert str(caught.value) == f"a study needs dicom/P1 and contours/SC-1, one is absent [{made / absent}]"


def test_a_study_without_a_cavity_is_refused(made: Path, tmp_path: Path) -> None:
    shutil.rmtree(made / "contours" / "SC-1" / "i-contours")
    with pytest.raises(DatasetError) as caught:
        sunnybrook_cases(made, label_dir=tmp_path)
    told = "a study needs endocardial contours (IM-0001-NNNN-icontour-manual.txt), got none"
    assert str(caught.value) == f"{told} [{made / 'contours' / 'SC-1'}]"


def test_a_table_of_other_columns_is_refused(made: Path, tmp_path: Path) -> None:
    for columns, lacks in (("patient,original_id", "patient_id"), ("patient_id,original", "original_id")):
        (made / "link.csv").write_text(f"{columns}\nP1,SC-1\n")
        with pytest.raises(DatasetError) as caught:
            sunnybrook_cases(made, label_dir=tmp_path)
        told = f"link.csv must have the columns patient_id, original_id, it lacks {lacks}"
        assert str(caught.value) == f"{told} [{made / 'link.csv'}]"


@pytest.mark.parametrize("absent", ["link.csv", "dicom", "contours"])
def test_a_data_set_has_all_three_parts(made: Path, absent: str) -> None:
    assert looks_like_sunnybrook(made)
    (made / absent).rename(made / "elsewhere")
    assert not looks_like_sunnybrook(made)
    if absent == "link.csv":
        (made / absent).mkdir()  # a folder is no table
    else:
        (made / absent).touch()
    assert not looks_like_sunnybrook(made)


@pytest.mark.parametrize("stated", [True, False])
def test_each_copy_of_the_data_set_has_a_cache_of_its_own(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "stated") if stated else "")
    shutil.copytree(made, tmp_path / "copy")
    (tmp_path / "link").symlink_to(made)
    first, copy, linked = (
        Path(load_datalist(place)[0]["label"]) for place in (made, tmp_path / "copy", tmp_path / "link")
    )
    assert (
        first.parent.parent == (tmp_path / "stated" if stated else tmp_path / "home" / ".cache") / "cardiac-mr-pipeline"
    )
    assert re.fullmatch(r"sunnybrook-[0-9a-f]{12}", first.parent.name)
    assert first == linked
    assert first.parent != copy.parent
    assert load_datalist(made, label_dir=tmp_path / "kept")[0]["label"] == str(tmp_path / "kept" / "P1.nii.gz")
