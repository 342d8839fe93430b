"""Layouts on disk to one plain list of cases."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import ConfigError, DatasetError
from pipeline.read.datalists.sunnybrook import draw_labels
from pipeline.read.datasets import checked_datalist, load_datalist

KEYS = {"image", "label", "patient", "phase", "scheme"}


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 2), np.uint8), np.diag([1.5, 1.25, 8.0, 1.0])), path)
    return path


def acdc(folder: Path, patient: str, *, es: int = 9) -> Path:
    home = folder / patient
    for name in ("frame01", f"frame{es:02d}"):
        image(home / f"{patient}_{name}.nii.gz")
        image(home / f"{patient}_{name}_gt.nii.gz")
    (home / "Info.cfg").write_text(f"ED: 1\nES: {es}\nGroup: DCM\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n")
    return home


def nnunet(folder: Path, labels: dict[str, object]) -> Path:
    for name in ("patient001_frame01", "patient001_frame12", "B_ED"):
        image(folder / "imagesTr" / f"{name}_0000.nii.gz")
        image(folder / "labelsTr" / f"{name}.nii.gz")
    table = {"channel_names": {"0": "cine"}, "labels": labels, "file_ending": ".nii.gz", "numTraining": 3}
    (folder / "dataset.json").write_text(json.dumps(table))
    return folder


def msd(folder: Path) -> Path:
    pairs = []
    for name in ("case_2", "case_1"):
        image(folder / "imagesTr" / f"{name}.nii.gz")
        image(folder / "labelsTr" / f"{name}.nii.gz")
        pairs.append({"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"})
    labels = {"0": "background", "1": "left ventricle", "2": "Myocardium"}
    (folder / "dataset.json").write_text(json.dumps({"labels": labels, "training": pairs}))
    return folder


def table(path: Path, rows: list[dict[str, object]]) -> Path:
    for row in rows:
        for key in ("image", "label"):
            image(path.parent / str(row[key]))
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("inside", ["", "training"])
def test_acdc(tmp_path: Path, inside: str) -> None:
    acdc(tmp_path / inside, "patient002")
    acdc(tmp_path / inside, "patient001", es=12)
    cases = load_datalist(tmp_path)
    named = [(case["patient"], case["phase"], Path(case["image"]).name) for case in cases]
    assert named == [
        ("patient001", "ED", "patient001_frame01.nii.gz"),
        ("patient001", "ES", "patient001_frame12.nii.gz"),
        ("patient002", "ED", "patient002_frame01.nii.gz"),
        ("patient002", "ES", "patient002_frame09.nii.gz"),
    ]
    assert (cases[0]["scheme"], cases[0]["group"], cases[0]["height_cm"], cases[0]["weight_kg"]) == (
        "acdc",
        "DCM",
        184,
        95,
    )
    assert cases[0]["label"].endswith("patient001_frame01_gt.nii.gz")


def test_one_acdc_patient_is_a_data_set(tmp_path: Path) -> None:
    assert [case["phase"] for case in load_datalist(acdc(tmp_path, "patient007"))] == ["ED", "ES"]


def test_missing_files_are_named(tmp_path: Path) -> None:
    home = acdc(tmp_path, "patient001", es=12)
    (home / "patient001_frame12_gt.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"patient001 ES: label: .*there is none \[.*frame12_gt"):
        checked_datalist(tmp_path)


def test_acdc_without_frame_numbers_is_refused(tmp_path: Path) -> None:
    (acdc(tmp_path, "patient001") / "Info.cfg").write_text("Group: NOR\nED: 1\n")
    with pytest.raises(DatasetError, match=r"frame number of ES.*Info\.cfg\]"):
        load_datalist(tmp_path)


def test_nnunet(tmp_path: Path) -> None:
    cases = load_datalist(nnunet(tmp_path, {"background": 0, "RV": 1, "MLV": 2, "LVC": 3}))
    assert [(case["patient"], case["phase"]) for case in cases] == [("B", "ED"), ("patient001", ""), ("patient001", "")]
    assert cases[0]["scheme"] == {0: 0, 1: 3, 2: 2, 3: 1}
    assert cases[0]["image"].endswith("B_ED_0000.nii.gz")
    assert load_datalist(tmp_path / "dataset.json") == cases


def test_unknown_label_names_need_a_scheme(tmp_path: Path) -> None:
    folder = nnunet(tmp_path, {"background": 0, "heart": 1})
    with pytest.raises(DatasetError, match="'heart'"):
        load_datalist(folder)
    assert load_datalist(folder, scheme={0: 0, 1: 1})[0]["scheme"] == {0: 0, 1: 1}


def test_label_regions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="whole numbers"):
        load_datalist(nnunet(tmp_path, {"background": 0, "LV": [1, 2]}))


def test_several_channels_are_refused(tmp_path: Path) -> None:
    folder = nnunet(tmp_path, {"background": 0, "LV": 1})
    image(folder / "imagesTr" / "B_ED_0001.nii.gz")
    with pytest.raises(DatasetError, match="one channel"):
        load_datalist(folder)


def test_msd(tmp_path: Path) -> None:
    cases = load_datalist(msd(tmp_path))
    assert [case["patient"] for case in cases] == ["case_1", "case_2"]
    assert cases[0]["scheme"] == {0: 0, 1: 1, 2: 2}
    assert Path(cases[0]["image"]).is_file()


@pytest.mark.parametrize("name", ["datalist.csv", "datalist.json", "mine.csv", "mine.json"])
def test_table(tmp_path: Path, name: str) -> None:
    rows = [
        {"image": "b/i.nii.gz", "label": "b/l.nii.gz", "patient": "P2", "phase": "ES", "scheme": "mnms", "centre": "5"},
        {"image": "a/i.nii.gz", "label": "a/l.nii.gz", "patient": "P1", "phase": "", "scheme": "acdc", "centre": "3"},
    ]
    path = table(tmp_path / name, rows)
    cases = load_datalist(tmp_path if name.startswith("datalist") else path)
    assert cases[0] == {
        "image": str(tmp_path / "a/i.nii.gz"),
        "label": str(tmp_path / "a/l.nii.gz"),
        "patient": "P1",
        "phase": "",
        "scheme": "acdc",
        "centre": "3",
    }
    assert [case["patient"] for case in cases] == ["P1", "P2"]


def test_table_scheme_may_be_a_mapping_or_given_for_all(tmp_path: Path) -> None:
    row = {"image": "i.nii.gz", "label": "l.nii.gz", "patient": "P1"}
    own = table(tmp_path / "own.json", [{**row, "scheme": {"0": 0, "5": 3}}])
    none = table(tmp_path / "none.json", [row])
    assert load_datalist(own)[0]["scheme"] == {0: 0, 5: 3}
    assert load_datalist(none, scheme="mnms")[0]["scheme"] == "mnms"
    with pytest.raises(DatasetError, match="label `scheme`"):
        load_datalist(none)


@pytest.mark.parametrize("absent", ["image", "label", "patient"])
def test_table_rows_must_be_complete(tmp_path: Path, absent: str) -> None:
    row = {"image": "i.nii.gz", "label": "l.nii.gz", "patient": "P1", "scheme": "cmr"}
    (tmp_path / "d.json").write_text(json.dumps([row, {**row, absent: ""}]))
    with pytest.raises(DatasetError, match=rf"entry 2 .* lacks {absent}"):
        load_datalist(tmp_path / "d.json")


@pytest.mark.parametrize("text", ["{", "3", '{"training": 1}', "[1]", "[]", '{"other": []}'])
def test_unusable_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(DatasetError, match=r"d\.json\]"):
        load_datalist(tmp_path / "d.json")


def test_unknown_scheme_is_refused(tmp_path: Path) -> None:
    row = {"image": "i.nii.gz", "label": "l.nii.gz", "patient": "P1", "scheme": "other"}
    with pytest.raises(DatasetError, match="'acdc', 'cmr'"):
        load_datalist(table(tmp_path / "d.json", [row]))


def test_unknown_layouts_say_what_is_understood(tmp_path: Path) -> None:
    image(tmp_path / "scan.nii.gz")
    with pytest.raises(DatasetError, match=r"acdc: .*nnunet: .*msd: .*mnms: .*sunnybrook: .*table: .*pack: "):
        load_datalist(tmp_path)
    with pytest.raises(DatasetError, match="there is none"):
        load_datalist(tmp_path / "absent")
    with pytest.raises(ConfigError, match="auto or one of"):
        load_datalist(tmp_path, layout="bids")  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="a table must be"):
        load_datalist(tmp_path, layout="table")


def test_ambiguous_layouts_need_a_word(tmp_path: Path) -> None:
    acdc(tmp_path, "patient001")
    table(tmp_path / "datalist.csv", [{"image": "i.nii", "label": "l.nii", "patient": "P", "scheme": "cmr"}])
    with pytest.raises(DatasetError, match="acdc and table"):
        load_datalist(tmp_path)
    assert len(load_datalist(tmp_path, layout="acdc")) == 2
    assert len(load_datalist(tmp_path, layout="table")) == 1


def test_drawn_labels_by_hand() -> None:
    def square(low: float, high: float) -> np.ndarray:
        return np.array([[low, low], [high, low], [high, high], [low, high]])

    endo = {(0, 1): square(3.5, 5.5), (2, 0): square(3.5, 6.5)}
    epi = {(0, 1): square(2.5, 6.5), (1, 1): square(2.5, 6.5)}
    labels = draw_labels((3, 10, 10, 2), endo=endo, epi=epi)
    assert [(int((labels[0, :, :, 1] == k).sum())) for k in (0, 1, 2, 255)] == [84, 4, 12, 0]
    assert [(int((labels[2, :, :, 0] == k).sum())) for k in (133, 1, 2, 255)] == [91, 9, 0, 0]
    assert (labels[1] == 255).all()  # an epicardium alone says nothing of the cavity
    assert (labels[0, :, :, 0] == 255).all()


def test_real_acdc(cmr_data: Path) -> None:
    cases = load_datalist(cmr_data / "acdc")
    assert len(cases) == 200
    assert all(set(case) >= KEYS for case in cases)
    ed = next(case for case in cases if case["patient"] == "patient090" and case["phase"] == "ED")
    assert ed["image"].endswith("patient090_frame04.nii.gz")


def test_refusals_in_full(tmp_path: Path) -> None:
    names = "acdc, nnunet, msd, mnms, accepted, sunnybrook, sunnybrook_cavity, table, pack"
    with pytest.raises(ConfigError) as told:
        load_datalist(tmp_path, layout="bids")
    assert sorted(str(told.value).split("one of ")[1].removesuffix(", got 'bids'").split(", ")) == sorted(
        names.split(", ")
    )
    assert str(told.value).startswith("`layout` must be auto or one of acdc, ")
    with pytest.raises(DatasetError) as caught:
        load_datalist(tmp_path / "gone")
    assert (
        str(caught.value) == f"a data set's folder or list was expected here, but there is none [{tmp_path / 'gone'}]"
    )
    with pytest.raises(DatasetError) as caught:
        load_datalist(tmp_path)
    assert str(caught.value).startswith(
        "no known layout is found here; understood are acdc: patientNNN/ folders with Info"
    )
    assert str(caught.value).endswith(f"; pack: a .pack file that `cmr pack` wrote [{tmp_path}]")
    acdc(tmp_path, "patient001")
    table(tmp_path / "datalist.csv", [{"image": "i.nii", "label": "l.nii", "patient": "P", "scheme": "cmr"}])
    with pytest.raises(DatasetError) as caught:
        load_datalist(tmp_path)
    assert str(caught.value) == f"the layout must be unambiguous, got acdc and table; state `layout` [{tmp_path}]"


def test_a_scheme_that_is_given_is_spelled_or_named(tmp_path: Path) -> None:
    row = {"image": "i.nii.gz", "label": "l.nii.gz", "patient": "P1"}
    path = table(tmp_path / "d.json", [row])
    for scheme, kept in (("acdc", "acdc"), ("7=RV", {0: 0, 7: 3}), ({0: 0, 5: 1}, {0: 0, 5: 1})):
        with pytest.raises(DatasetError, match=r"P1: label: a label needs something drawn in it"):
            checked_datalist(path, scheme=scheme, layout="table")
        assert load_datalist(str(path), scheme=scheme)[0]["scheme"] == kept
    assert load_datalist(acdc(tmp_path / "a", "patient001"), scheme="mnms")[0]["scheme"] == "mnms"
