"""A run's record: what it says, and that it is held to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine

from pipeline.core.errors import DatasetError
from pipeline.train.record import RunRecord, data_digests, read_record, require_same_data


@pytest.fixture
def cases(tmp_path: Path) -> list[dict[str, Any]]:
    """Two phases of `a`, one of `b` and one of `c`, in files whose content is their name."""
    made = []
    for patient, phase in (("a", "ed"), ("a", "es"), ("b", "ed"), ("c", "ed")):
        case = {"patient": patient, "phase": phase}
        for kind in ("image", "label"):
            file = tmp_path / "data" / f"{patient}_{phase}_{kind}"
            file.parent.mkdir(exist_ok=True)
            file.write_text(file.name)
            case[kind] = str(file)
        made.append(case)
    return made


def _start(path: Path, cases: list[dict[str, Any]], *, resume: bool = False, max_epochs: int = 1) -> dict[str, Any]:
    engine = Engine(lambda _engine, _batch: None)
    split, data = {"train": cases[:3], "validation": cases[3:]}, str(path.parent.parent / "data")
    RunRecord(str(path), split=split, settings={"seed": 4}, data=data, resume=resume).attach(engine)
    engine.run([0], max_epochs=max_epochs)
    return json.loads(path.read_text())


def test_a_record_tells_data_split_settings_versions_and_threads(tmp_path: Path, cases: list[dict[str, Any]]) -> None:
    record = _start(tmp_path / "run" / "run.json", cases)
    assert record["split"] == {"train": ["a", "b"], "validation": ["c"]}
    assert record["settings"] == {"seed": 4}
    assert record["threads"] == torch.get_num_threads()
    assert {"pipeline", "torch", "monai", "ignite"} <= set(record["versions"])
    assert record["data"] == {"source": str(tmp_path / "data"), "patients": data_digests(cases)}
    assert [start["after_epoch"] for start in record["starts"]] == [0]


def test_each_start_is_added_and_a_new_training_begins_a_new_record(
    tmp_path: Path, cases: list[dict[str, Any]]
) -> None:
    path = tmp_path / "run.json"
    _start(path, cases)
    assert len(_start(path, cases, resume=True)["starts"]) == 2
    assert len(_start(path, cases)["starts"]) == 1


def test_a_record_that_cannot_be_replaced_stays(
    tmp_path: Path, cases: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    before = _start(path, cases)

    def fill_up(file: Path, text: str, **_: object) -> None:
        with file.open("w") as stream:
            stream.write(text[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill_up)
    with pytest.raises(OSError, match="No space"):
        _start(path, cases, resume=True)
    assert json.loads(path.read_text()) == before
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["run.json"]


def test_digests_are_of_contents_wherever_they_lie(tmp_path: Path, cases: list[dict[str, Any]]) -> None:
    moved = shutil.copytree(tmp_path / "data", tmp_path / "moved")
    elsewhere = [case | {key: str(moved / Path(case[key]).name) for key in ("image", "label")} for case in cases]
    assert data_digests(reversed(elsewhere)) == data_digests(cases)
    (moved / "b_ed_label").write_text("drawn anew")
    changed = {name for name, digest in data_digests(elsewhere).items() if digest != data_digests(cases)[name]}
    assert changed == {"b"}


def test_other_data_are_refused_by_what_is_other(tmp_path: Path, cases: list[dict[str, Any]]) -> None:
    record = _start(tmp_path / "run.json", cases)
    own = data_digests(cases)
    require_same_data(record, own)
    for found, words in (
        ({key: own[key] for key in "ac"}, "lacks b;"),
        (own | {"d": "0"}, "has, beside the run's own, d;"),
        (own | {"a": "0"}, "has other images or labels of a;"),
        ({**dict.fromkeys(own, "0"), **{f"p{n}": "0" for n in range(9)}}, "p4 and 4 more, and has other .* a, b, c;"),
    ):
        with pytest.raises(DatasetError, match=words):
            require_same_data(record, found)


def test_a_resumed_training_by_monais_own_command_is_held_to_its_data_too(
    tmp_path: Path, cases: list[dict[str, Any]]
) -> None:
    path = tmp_path / "run.json"
    before = _start(path, cases)
    Path(cases[0]["image"]).write_text("another patient")
    with pytest.raises(DatasetError, match="other images or labels of a"):
        _start(path, cases, resume=True)
    assert json.loads(path.read_text()) == before


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"split": {"train": ["a"], "validation": []}, "data": {}}'])
def test_what_is_no_record_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    assert read_record(tmp_path / "run.json") is None
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(DatasetError, match="this is none"):
        read_record(tmp_path / "run.json")
