"""Results of ours within the input are no input; what others call alike is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.read.own_results import without_results

OURS = '{"source": {"identity": "study 1.2.3"}}'


def _files(root: Path, **records: str) -> tuple[Path, ...]:
    """A folder a record, with a picture in it and one below it; and a picture beside them."""
    found = [root / "beside.nii"]
    for name, record in records.items():
        (root / name / "history").mkdir(parents=True)
        (root / name / "measurements.json").write_text(record, encoding="utf-8")
        found += [root / name / "measurements.json", root / name / "a.nii", root / name / "history" / "b.nii"]
    return tuple(found)


def test_folders_of_results_are_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = _files(tmp_path, b=OURS, a=OURS, c="{}")
    kept = without_results(iter(files), root=tmp_path)
    assert kept == (files[0], *files[7:])
    assert caplog.messages == [f"passed over 2 folder(s) of results, as {tmp_path / 'a'}"]


def test_a_folder_of_results_that_is_asked_for_is_looked_into(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = _files(tmp_path, a=OURS)[1:]
    assert without_results(files, root=tmp_path / "a") == files
    assert caplog.messages == []


@pytest.mark.parametrize(
    "record", ["", "[]", "3", "{}", '{"source": {}}', '{"source": null}', '{"Source": {"identity": 1}}']
)
def test_records_of_others_are_none(tmp_path: Path, record: str) -> None:
    files = _files(tmp_path, a=record)
    assert without_results(files, root=tmp_path) == files


def test_a_record_that_cannot_be_read_is_nobody_s(tmp_path: Path) -> None:
    files = _files(tmp_path, a=OURS)
    (tmp_path / "a" / "measurements.json").write_bytes(b"\xff")
    assert without_results(files, root=tmp_path) == files
    (tmp_path / "a" / "measurements.json").unlink()
    assert without_results(files, root=tmp_path) == files
