"""Sunnybrook: real DICOM and contours to a label map on the cine's own grid."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import DatasetError
from pipeline.read.cine import read_cine, read_label
from pipeline.read.contours import coverage, read_contour
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
