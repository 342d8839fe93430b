"""What ACDC's `Info.cfg` says of a patient, and what of it is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.errors import DatasetError
from pipeline.read.acdc_info import PatientInfo, patient_info, read_info


def _info(folder: Path, text: str) -> Path:
    (folder / "Info.cfg").write_text(text, encoding="utf-8-sig")
    return folder / "Info.cfg"


def test_keys_and_values_lose_their_blanks(tmp_path: Path) -> None:
    path = _info(tmp_path, " ED : 1\nno colon\nGroup:  a: b \n\nES:\n")
    assert read_info(path) == {"ED": "1", "Group": "a: b", "ES": ""}


def test_all_that_a_patient_s_file_states(tmp_path: Path) -> None:
    path = _info(tmp_path, "ED: 1\nES: 12\nGroup: DCM\nHeight: 184.5\nNbFrame: 30\nWeight: 95.0\n")
    assert patient_info(path) == PatientInfo(1.845, 95.0, 1, 12, ())


@pytest.mark.parametrize(
    ("height", "weight", "height_m", "weight_kg"),
    [("25", "0.4", 0.25, 0.4), ("260", "450", 2.6, 450.0), ("170.123456", "70.123456", 1.7012, 70.123456)],
)
def test_the_limits_themselves_are_a_body_s(
    tmp_path: Path, height: str, weight: str, height_m: float, weight_kg: float
) -> None:
    path = _info(tmp_path, f"Height: {height}\nWeight: {weight}\n")
    assert patient_info(path) == PatientInfo(height_m, weight_kg)


@pytest.mark.parametrize(("height", "weight"), [("24.9", "0.3"), ("1.84", "451"), ("tall", ""), ("nan", "inf")])
def test_what_no_body_has_is_told_and_not_used(tmp_path: Path, height: str, weight: str) -> None:
    path = _info(tmp_path, f"Weight: {weight}\nHeight: {height}\nED: 2\nES: 9\n")
    assert patient_info(path) == PatientInfo(
        ed_frame=2,
        es_frame=9,
        notes=(
            f"Info.cfg states a Height of '{height}', which no body has: it is not used",
            f"Info.cfg states a Weight of '{weight}', which no body has: it is not used",
        ),
    )


@pytest.mark.parametrize(
    "text", ["ED: 1\n", "ES: 1\n", "ED: 4\nES: 4\n", "ED: x\nES: 1\n", "ED: 1\nES: -1\n", "ED:\nES: 1\n"]
)
def test_frames_are_two_or_none(tmp_path: Path, text: str) -> None:
    assert patient_info(_info(tmp_path, text)) == PatientInfo()


def test_what_is_no_text_is_refused_by_a_data_set_and_noted_by_an_image(tmp_path: Path) -> None:
    path = tmp_path / "Info.cfg"
    path.write_bytes(b"ED: \xff\n")
    with pytest.raises(DatasetError) as caught:
        read_info(path)
    assert str(caught.value).startswith("Info.cfg must be a text of `Key: value` lines (")
    assert caught.value.path == path
    assert patient_info(path) == PatientInfo(notes=(str(caught.value),))
    with pytest.raises(DatasetError, match=r"must be a text of `Key: value` lines \(.*\) \[.*gone\.cfg\]"):
        read_info(tmp_path / "gone.cfg")
