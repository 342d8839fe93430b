"""A data set of pseudo-labels: one study's never stand for another's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.app.pseudo import label_studies
from pipeline.app.segmenter import Segmenter
from pipeline.core.errors import DatasetError, InputError
from pipeline.read.datasets import load_datalist


def _label(bundle: Path, studies: Path, out: Path) -> Path:
    return label_studies(Segmenter(bundle), studies, out, keep=1.0, threshold=0.0)


def test_studies_of_one_name_stay_apart(untrained_bundle: Path, namesakes: list[Path], tmp_path: Path) -> None:
    cases = load_datalist(_label(untrained_bundle, namesakes[0].parents[1], tmp_path))
    assert {case["image"] for case in cases} == {str(folder) for folder in namesakes}
    assert len({case["label"] for case in cases}) == len({case["patient"] for case in cases}) == 2


def test_a_data_set_of_other_studies_is_not_replaced(
    untrained_bundle: Path, namesakes: list[Path], tmp_path: Path
) -> None:
    table = _label(untrained_bundle, namesakes[0], tmp_path)
    before = table.read_bytes()
    with pytest.raises(DatasetError, match="of other images"):
        _label(untrained_bundle, namesakes[1], tmp_path)
    assert table.read_bytes() == before
    assert _label(untrained_bundle, namesakes[0], tmp_path).read_bytes() == before


@pytest.mark.parametrize("place", [".", "deeper"])
def test_studies_that_share_a_folder_are_refused(
    untrained_bundle: Path, namesakes: list[Path], tmp_path: Path, place: str
) -> None:
    shutil.copytree(namesakes[0], tmp_path / "in")
    (tmp_path / "in" / place).mkdir(exist_ok=True)
    for file in namesakes[1].iterdir():
        shutil.copy(file, tmp_path / "in" / place / f"{file.name}-b")
    with pytest.raises(InputError, match="a folder of its own"):
        _label(untrained_bundle, tmp_path / "in", tmp_path / "out")
