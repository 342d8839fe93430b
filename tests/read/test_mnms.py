"""M&Ms' layout: cines of which two phases are drawn."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import DatasetError, GridError
from pipeline.read.cine import read_label
from pipeline.read.datalists.mnms import looks_like_mnms, mnms_cases
from pipeline.read.datasets import checked_datalist, load_datalist
from pipeline.read.transforms import MapLabelsd
from pipeline.train.prepared import prepare_stacks

HEADER = ",External code,VendorName,Vendor,Centre,ED,ES,Age,Pathology,Sex,Height,Weight"


def write_patient(folder: Path, code: str, *, ed: int, es: int, n_phases: int = 5) -> None:
    """A cine in which a ring is drawn at ED and ES, and nothing in the other phases."""
    folder.mkdir(parents=True)
    labels = np.zeros((12, 10, 3, n_phases), np.uint8)
    for phase in (ed, es):
        labels[3:8, 3:8, :, phase] = 2
        labels[4:7, 4:7, :, phase] = 1
        labels[9:11, 3:7, :, phase] = 3
    for name, array in ((f"{code}_sa_gt", labels), (f"{code}_sa", labels.astype(np.int16) * 100)):
        image = nib.Nifti1Image(array, np.diag([1.5, 1.5, 9.0, 1.0]))
        image.header.set_xyzt_units("mm", "msec")
        image.header["pixdim"][4] = 30
        nib.save(image, folder / f"{name}.nii.gz")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "OpenDataset"
    write_patient(folder / "Training" / "Labeled" / "A0S9V9", "A0S9V9", ed=0, es=3)
    write_patient(folder / "Validation" / "B1T0W0", "B1T0W0", ed=4, es=1)
    rows = ["0,A0S9V9,Siemens,A,1,0,3,38,HCM,F,180,80", "1,B1T0W0,Philips,B,3,4,1,,DCM,M,,", "2,C,GE,C,4,1,2,,,,,"]
    (folder / "information.csv").write_text("\n".join([HEADER, *rows]))
    (folder / "Validation" / "B1T0W0" / "._B1T0W0_sa_gt.nii.gz").write_bytes(b"of a file manager")
    return folder


def test_patients_with_labels_are_listed_with_their_phases_and_facts(data: Path) -> None:
    first, second = load_datalist(data)
    assert (first["patient"], first["drawn_phases"], first["vendor"], first["group"]) == (
        "A0S9V9",
        [0, 3],
        "Siemens",
        "HCM",
    )
    assert (second["patient"], second["drawn_phases"], second["centre"], second["scheme"]) == (
        "B1T0W0",
        [1, 4],
        "3",
        "mnms",
    )
    assert Path(first["image"]).name == "A0S9V9_sa.nii.gz"
    assert checked_datalist(data)[0]["spacing"] == pytest.approx((1.5, 1.5, 9.0))


def test_phases_that_nobody_drew_are_unlabelled_not_background(data: Path) -> None:
    case = load_datalist(data)[0]
    labels = read_label(case["label"], scheme=case["scheme"], drawn_phases=case["drawn_phases"]).array
    assert [np.unique(phase).tolist() for phase in labels] == [[0, 1, 2, 3], [255], [255], [0, 1, 2, 3], [255]]
    stored = np.moveaxis(nib.load(case["label"]).get_fdata(), -1, 0)
    np.testing.assert_array_equal(MapLabelsd("label")({**case, "label": stored})["label"], labels)


def test_a_training_sees_the_drawn_phases_alone(data: Path) -> None:
    cases = load_datalist(data)

    def load(case: dict) -> dict:
        image = np.moveaxis(nib.load(case["image"]).get_fdata(), -1, 0)
        label = np.moveaxis(nib.load(case["label"]).get_fdata(), -1, 0)
        return MapLabelsd("label")({**case, "image": image, "label": label})

    stacks = prepare_stacks(cases, load)
    assert [(stack.patient, stack.phase) for stack in stacks] == [
        ("A0S9V9", "t00"),
        ("A0S9V9", "t03"),
        ("B1T0W0", "t01"),
        ("B1T0W0", "t04"),
    ]
    assert all((stack.label == 1).sum() == 27 for stack in stacks)


def test_what_is_no_such_data_set_is_not_taken_for_one(data: Path, tmp_path: Path) -> None:
    assert looks_like_mnms(data)
    assert not looks_like_mnms(tmp_path / "nothing")
    (data / "information.csv").write_text("name,age\n")
    assert not looks_like_mnms(data)
    with pytest.raises(DatasetError, match="External code, ED and ES"):
        mnms_cases(data)


def test_a_patient_whose_phases_are_not_stated_is_refused(data: Path) -> None:
    (data / "information.csv").write_text(f"{HEADER}\n0,A0S9V9,Siemens,A,1,0,,,,,,\n")
    with pytest.raises(DatasetError, match="ED and ES of A0S9V9"):
        mnms_cases(data)


def test_a_phase_that_is_not_there_is_refused(data: Path) -> None:
    case = load_datalist(data)[0]
    with pytest.raises(GridError, match=r"from 0 to 4, got \[7\]"):
        read_label(case["label"], scheme="mnms", drawn_phases=[0, 7])


def test_a_case_tells_all_that_its_row_states(data: Path) -> None:
    first, second = mnms_cases(data)
    folder = data / "Training" / "Labeled" / "A0S9V9"
    assert first == {
        "vendor": "Siemens",
        "centre": "1",
        "group": "HCM",
        "sex": "F",
        "image": str(folder / "A0S9V9_sa.nii.gz"),
        "label": str(folder / "A0S9V9_sa_gt.nii.gz"),
        "patient": "A0S9V9",
        "phase": "",
        "drawn_phases": [0, 3],
        "scheme": "mnms",
    }
    assert [case["scheme"] for case in mnms_cases(data, scheme={0: 0, 1: 1})] == [{0: 0, 1: 1}] * 2
    assert (second["group"], second["sex"]) == ("DCM", "M")


def test_codes_and_phases_may_have_blanks_and_facts_may_lack(data: Path) -> None:
    rows = ["0, A0S9V9 ,, , , 3 , 3 ,,,,,", "1,B1T0W0,Philips,B,3,4,1"]
    (data / "information.csv").write_text("\n".join([HEADER, *rows]), encoding="utf-8-sig")
    first, second = mnms_cases(data)
    assert (first["drawn_phases"], set(first) & {"vendor", "centre", "group", "sex"}) == ([3], set())
    assert (second["vendor"], second["centre"], "group" in second) == ("Philips", "3", False)


@pytest.mark.parametrize("row", ["0,Z,Siemens,A,1,0,3", "0,A0S9V9,Siemens,A,1,,3", "0,A0S9V9,Siemens,A,1,0,x"])
def test_a_patient_without_phases_is_told_with_the_table(data: Path, row: str) -> None:
    (data / "information.csv").write_text(f"{HEADER}\n{row},,,,,\n1,B1T0W0,Philips,B,3,4,1,,,,,\n")
    with pytest.raises(DatasetError) as caught:
        mnms_cases(data)
    told = "the table must state ED and ES of A0S9V9 as numbers from 0 on, it does not"
    assert str(caught.value) == f"{told} [{data / 'information.csv'}]"


def test_the_table_may_lie_a_folder_below_and_is_the_first_with_its_columns(data: Path) -> None:
    (data / "a.csv").write_text("External code,ED\n")
    (data / "._b.csv").write_text(f"{HEADER}\n")
    (data / "information.csv").rename(data / "Training" / "z.csv")
    assert looks_like_mnms(data)
    assert len(mnms_cases(data)) == 2
    (data / "Training" / "z.csv").rename(data / "Training" / "Labeled" / "z.csv")
    assert not looks_like_mnms(data)
    with pytest.raises(DatasetError) as caught:
        mnms_cases(data)
    assert str(caught.value) == f"M&Ms needs its CSV with the columns External code, ED and ES, got none [{data}]"


@pytest.mark.parametrize(("depth", "found"), [(0, True), (4, True), (5, False)])
def test_labels_lie_up_to_four_folders_down(tmp_path: Path, depth: int, found: bool) -> None:
    folder = tmp_path.joinpath(*"abcde"[:depth])
    folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / "t.csv").write_text(f"{HEADER}\n")
    assert not looks_like_mnms(tmp_path)
    (folder / "X_sa_gt.nii.gz").touch()
    assert looks_like_mnms(tmp_path) is found
