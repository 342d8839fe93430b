"""The two layouts around `dataset.json`: told apart, listed, refused (data sets as a whole: test_datasets)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import DatasetError
from pipeline.read.datalists.decathlon import looks_like_msd, looks_like_nnunet, msd_cases, nnunet_cases
from pipeline.read.datasets import load_datalist

LABELS = {"background": 0, "LV": 1}


def _folder(folder: Path, declared: Any, *files: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(declared))
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("files", "nnunet"),
    [
        (["imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"], True),
        (["imagesTr/a.nii.gz", "labelsTr/a.nii.gz"], False),
        (["imagesTr/a_0000.nii.gz"], False),
        (["labelsTr/a.nii.gz"], False),
    ],
)
def test_a_channel_s_number_is_nnu_net_s(tmp_path: Path, files: list[str], nnunet: bool) -> None:
    folder = _folder(tmp_path, {}, *files)
    assert looks_like_nnunet(folder) is nnunet
    assert looks_like_msd(folder) is (not nnunet)
    (folder / "dataset.json").unlink()
    assert not looks_like_nnunet(folder)
    assert not looks_like_msd(folder)


def test_every_label_is_a_case_with_its_first_channel(tmp_path: Path) -> None:
    declared = {"labels": LABELS, "file_ending": ".nii"}
    folder = _folder(tmp_path, declared, "labelsTr/b_ES.nii", "labelsTr/a_ED.nii", "labelsTr/c.nii.gz")
    assert nnunet_cases(folder) == [
        {
            "image": str(folder / "imagesTr" / f"{name}_0000.nii"),
            "label": str(folder / "labelsTr" / f"{name}.nii"),
            "patient": name[0],
            "phase": name[2:],
            "scheme": {0: 0, 1: 1},
        }
        for name in ("a_ED", "b_ES")
    ]


def test_files_are_compressed_where_nothing_else_is_said(tmp_path: Path) -> None:
    folder = _folder(tmp_path, {"labels": LABELS}, "labelsTr/a.nii.gz", "labelsTr/b.nii")
    assert [Path(case["image"]).name for case in nnunet_cases(folder)] == ["a_0000.nii.gz"]


def test_a_second_channel_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path, {"labels": LABELS}, "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz")
    with pytest.raises(DatasetError, match=r"one channel a case.*/imagesTr\]"):
        nnunet_cases(folder)


def test_the_decathlon_lists_its_pairs(tmp_path: Path) -> None:
    entries = [{"image": f"./imagesTr/{name}.nii", "label": f"./labelsTr/{name}.nii"} for name in ("p2_ED", "p1")]
    folder = _folder(tmp_path, {"labels": {"0": "background", "1": "LV"}, "training": entries})
    assert [(case["patient"], case["phase"], case["scheme"]) for case in msd_cases(folder)] == [
        ("p2", "ED", {0: 0, 1: 1}),
        ("p1", "", {0: 0, 1: 1}),
    ]
    assert Path(msd_cases(folder)[0]["label"]) == folder / "labelsTr" / "p2_ED.nii"
    assert msd_cases(folder, scheme="mnms")[0]["scheme"] == "mnms"


@pytest.mark.parametrize("training", [None, {}, 3, [1], [{"image": "a"}], [{"label": "a"}]])
def test_pairs_that_are_none_are_refused(tmp_path: Path, training: Any) -> None:
    with pytest.raises(DatasetError, match=r"`image` and `label` \[.*dataset\.json\]"):
        msd_cases(_folder(tmp_path, {"labels": LABELS, "training": training}))


@pytest.mark.parametrize("declared", [[], 3, "text", None])
def test_a_list_that_is_no_object_is_refused(tmp_path: Path, declared: Any) -> None:
    folder = _folder(tmp_path, declared)
    for cases in (nnunet_cases, msd_cases):
        with pytest.raises(DatasetError, match=f"must hold an object, got {type(declared).__name__}"):
            cases(folder)


@pytest.mark.parametrize("labels", [None, {}, ["LV"], "LV"])
def test_without_names_of_labels_a_scheme_is_needed(tmp_path: Path, labels: Any) -> None:
    folder = _folder(tmp_path, {"labels": labels, "training": []}, "labelsTr/a.nii.gz")
    for cases in (nnunet_cases, msd_cases):
        with pytest.raises(DatasetError, match="must name the label values"):
            cases(folder)
    assert nnunet_cases(folder, scheme="cmr")[0]["scheme"] == "cmr"
    assert nnunet_cases(folder, scheme={})[0]["scheme"] == {}
    assert msd_cases(folder, scheme={}) == []


def test_refusals_in_full(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "a", {"labels": LABELS, "file_ending": ".nii"}, "imagesTr/a_0001.nii")
    listed = folder / "dataset.json"
    with pytest.raises(DatasetError) as caught:
        nnunet_cases(folder)
    told = "cine MRI must have one channel a case, got files with suffix _0001"
    assert str(caught.value) == f"{told} [{folder / 'imagesTr'}]"
    with pytest.raises(DatasetError) as caught:
        msd_cases(folder)
    assert str(caught.value) == f"`training` must be a list of objects with `image` and `label` [{listed}]"
    for cases in (nnunet_cases, msd_cases):
        _folder(folder, [])
        with pytest.raises(DatasetError) as caught:
            cases(folder)
        assert str(caught.value) == f"dataset.json must hold an object, got list [{listed}]"
        _folder(folder, {"training": []})
        with pytest.raises(DatasetError) as caught:
            cases(folder)
        assert str(caught.value) == f"`labels` must name the label values; or state `scheme` [{listed}]"
        _folder(folder, {"labels": {"atrium": 1}, "training": []})
        with pytest.raises(DatasetError) as caught:
            cases(folder)
        assert caught.value.path == listed


def test_what_a_file_manager_leaves_is_no_channel_and_no_case(tmp_path: Path) -> None:
    files = ("imagesTr/._a_0001.nii.gz", "labelsTr/._a.nii.gz", "labelsTr/a.nii.gz")
    assert len(nnunet_cases(_folder(tmp_path / "a", {"labels": LABELS}, *files))) == 1
    entries = [{"image": "imagesTr/a.nii", "label": f"labelsTr/{name}.nii"} for name in ("._a", "a")]
    (case,) = msd_cases(_folder(tmp_path / "b", {"labels": LABELS, "training": entries}))
    assert case == {
        "image": str(tmp_path / "b" / "imagesTr" / "a.nii"),
        "label": str(tmp_path / "b" / "labelsTr" / "a.nii"),
        "patient": "a",
        "phase": "",
        "scheme": {0: 0, 1: 1},
    }


@pytest.mark.parametrize("kind", ["nnunet", "msd"])
def test_a_data_set_is_named_by_its_folder_or_its_list(tmp_path: Path, kind: str) -> None:
    entries = [{"image": "imagesTr/a_0000.nii.gz", "label": "labelsTr/a.nii.gz"}]
    files = ("labelsTr/a.nii.gz",) + (("imagesTr/a_0000.nii.gz",) if kind == "nnunet" else ())
    folder = _folder(tmp_path / "a", {"labels": LABELS, "training": entries}, *files)
    (case,) = load_datalist(folder)
    assert load_datalist(folder / "dataset.json") == [case]
    assert case["label"] == str(folder / "labelsTr" / "a.nii.gz")
    assert load_datalist(folder, scheme="cmr") == [case | {"scheme": "cmr"}]
    assert load_datalist(folder, layout=kind) == [case]
