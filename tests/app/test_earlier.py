"""What an earlier run has left of a case: done, in a reader's hands, or to be done again, and why."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest

from pipeline.app.choices import Choices
from pipeline.app.earlier import Standing, describe_input, standing
from pipeline.app.predict import CaseRunner, segment_path
from pipeline.app.request import Request
from pipeline.app.results import read_record
from pipeline.app.segmenter import Segmenter
from pipeline.core.case import Provenance
from pipeline.measure.measurements import PhaseChoice
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine
from pipeline.read.cine import SeriesOptions
from pipeline.read.discover import CaseFiles, find_cases

DONE = Standing("done", "already done")


@pytest.fixture(scope="module")
def segmenter(untrained_bundle: Path) -> Segmenter:
    return Segmenter(untrained_bundle)


@pytest.fixture(scope="module")
def once(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study in `in/study`, and its results in `out/study`."""
    root = tmp_path_factory.mktemp("once")
    phantom = make_cine(make_patient(11), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
    write_study(phantom, root / "in" / "doe", extras=False)
    (result,) = segment_path(CaseRunner(segmenter, root / "out"), root / "in")
    assert (result.error, result.skipped) == (None, None)
    return root


@pytest.fixture
def root(once: Path, tmp_path: Path) -> Path:
    """The same, to be changed; the study stays where it is."""
    shutil.copytree(once / "out", tmp_path / "out")
    return tmp_path


@pytest.fixture
def find(once: Path, root: Path, segmenter: Segmenter) -> Callable[..., Standing]:
    def find(case: CaseFiles | None = None, made_by: Provenance | None = None, **asked: Any) -> Standing:
        request = Request(root / "out", **asked)
        case = case or find_cases(once / "in")[0]
        return standing(request.named(case), request, made_by or segmenter.provenance)

    return find


def _change_record(root: Path, **entries: Any) -> None:
    path = root / "out" / "doe" / "measurements.json"
    path.write_text(json.dumps(read_record(path) | entries))


def test_what_is_done_is_seen_without_reading_the_images(find: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("read though paths, sizes and times are the same")

    monkeypatch.setattr("pipeline.app.earlier.identity_of_content", read)
    assert find() == DONE


def test_copied_files_are_the_same_and_changed_ones_are_not(find: Callable, once: Path, tmp_path: Path) -> None:
    shutil.copytree(once / "in" / "doe", tmp_path / "doe")
    assert find(find_cases(tmp_path / "doe")[0]) == DONE  # elsewhere, with other times
    file = next((tmp_path / "doe").iterdir())
    image = pydicom.dcmread(file)
    image.PixelData = bytes(reversed(image.PixelData))
    image.save_as(file)
    assert find(find_cases(tmp_path / "doe")[0]) == Standing("redo", "its files have changed")
    file.unlink()
    assert find(find_cases(tmp_path / "doe")[0]).reason == "its files have changed"


def test_a_study_in_an_archive_is_told_by_its_content(find: Callable, once: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "doe"), "zip", once / "in", "doe")
    (case,) = find_cases(tmp_path / "doe.zip")
    assert find(replace(case, name="doe")) == DONE


def test_another_bundle_is_done_again(find: Callable, segmenter: Segmenter) -> None:
    made_by = segmenter.provenance
    other = {
        "it was made by untrained, this is another": {"bundle": replace(made_by.bundle, name="another")},
        "the bundle has other weights": {"bundle": replace(made_by.bundle, weights_sha256="0" * 64)},
        "another version": {"bundle": replace(made_by.bundle, version="9")},
        "it was made by version 0.1.0 of this software": {
            "software": dict(made_by.software) | {"cardiac-mr-pipeline": "9.0.0"}
        },
        "the bundle has other settings (n4)": {"settings": dict(made_by.settings) | {"n4": "another"}},
    }
    for words, change in other.items():
        left = find(made_by=replace(made_by, **change))
        assert left.state == "redo"
        assert words in left.reason


def test_weights_that_cannot_be_told_are_done_again(find: Callable, segmenter: Segmenter, root: Path) -> None:
    bundle = replace(segmenter.provenance.bundle, weights_sha256=None)
    _change_record(root, bundle={"name": bundle.name, "version": bundle.version, "weights_sha256": None})
    assert find(made_by=replace(segmenter.provenance, bundle=bundle)).state == "redo"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"series": SeriesOptions(prefer="first")}, "prefer is another"),
        ({"series": SeriesOptions("1.2.3")}, "series_uid is another"),
        ({"choices": Choices(heart_rate_bpm=70)}, "heart_rate_bpm is another"),
        ({"choices": Choices(PhaseChoice(ed=2))}, "ed is another"),
        ({"choices": Choices(PhaseChoice(bsa_method="dubois"))}, "bsa is another"),
        ({"choices": Choices(PhaseChoice(papillary="mass"))}, "papillary is another"),
        ({"choices": Choices(all_phases=True)}, "all_phases is another"),
        ({"choices": Choices(identify=True)}, "identify is another"),
        ({"choices": Choices(objects=False)}, None),
    ],
)
def test_other_wishes_are_done_again_and_lesser_ones_are_met(find: Callable, asked: dict, reason: str | None) -> None:
    assert find(**asked) == (DONE if reason is None else Standing("redo", reason))


def test_objects_asked_for_later_are_made(find: Callable, root: Path) -> None:
    choices = read_record(root / "out" / "doe" / "measurements.json")["choices"]
    _change_record(root, choices=choices | {"objects": False})
    assert find() == Standing("redo", "objects is another")


@pytest.mark.parametrize("name", ["report.html", "sr.dcm", "seg_ed.dcm", "segmentation.nii.gz"])
@pytest.mark.parametrize("n_bytes", [None, 0, 1000])
def test_files_that_are_lost_or_cut_short_are_made_again(
    find: Callable, root: Path, name: str, n_bytes: int | None
) -> None:
    path = root / "out" / "doe" / name
    if n_bytes is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: min(n_bytes, path.stat().st_size // 2)])
    assert find() == Standing("redo", f"{name} is missing or not whole")


def test_an_edited_label_map_is_a_correction_though_nobody_reported_it(find: Callable, root: Path) -> None:
    path = root / "out" / "doe" / "segmentation.nii.gz"
    image = nib.load(path)
    labels = np.asarray(image.dataobj).copy()
    nib.save(nib.Nifti1Image(labels, image.affine, image.header), path)
    os.utime(path)
    assert find() == DONE  # saved, and nothing changed
    labels[0, 0] = 1
    nib.save(nib.Nifti1Image(labels, image.affine, image.header), path)
    assert find() == Standing("kept", "segmentation.nii.gz was edited; --again would make it anew")


def test_an_edited_segmentation_is_a_correction(find: Callable, root: Path) -> None:
    path = root / "out" / "doe" / "seg_es.dcm"
    image = pydicom.dcmread(path)
    image.PixelData = bytes(len(image.PixelData))
    image.save_as(path)
    assert find().reason.startswith("seg_es.dcm was edited")


@pytest.mark.parametrize(
    ("entries", "state"),
    [
        ({"corrected": True}, "kept"),
        *(({"review": {"status": status}}, "kept") for status in ("corrected", "accepted", "rejected")),
        ({"review": {"status": "unreviewed"}}, "done"),
        ({"review": None}, "done"),
        ({"failed": {"error": "no", "time": "now"}}, "redo"),
        ({"input": None}, "redo"),
        ({"settings": 3}, "redo"),
    ],
)
def test_what_a_reader_has_decided_is_kept(
    find: Callable, segmenter: Segmenter, root: Path, entries: dict, state: str
) -> None:
    _change_record(root, **entries)
    assert find().state == state
    other = replace(segmenter.provenance, settings={})
    assert find(made_by=other).state == ("kept" if state == "kept" else "redo")
    assert find(choices=Choices(again=True)) == Standing("redo", "--again")


def test_the_runner_itself_overwrites_no_correction(once: Path, root: Path, segmenter: Segmenter) -> None:
    """Whoever calls it, and though the case was plain when the run began."""
    _change_record(root, corrected=True)
    before = {path.name: path.read_bytes() for path in (root / "out" / "doe").iterdir()}
    result = CaseRunner(segmenter, root / "out").attempt(find_cases(once / "in")[0])
    assert result.skipped.startswith("corrected by a reader")
    assert {path.name: path.read_bytes() for path in (root / "out" / "doe").iterdir()} == before


def test_again_keeps_a_reader_s_files_whole(once: Path, root: Path, segmenter: Segmenter) -> None:
    folder = root / "out" / "doe"
    (folder / "notes.txt").write_text("mine")
    _change_record(root, corrected=True)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "notes.txt"}
    runner = CaseRunner(segmenter, root / "out", choices=Choices(again=True))
    (result,) = segment_path(runner, once / "in")
    assert (result.error, result.skipped, result.record["corrected"]) == (None, None, False)
    (kept,) = (folder / "history").iterdir()
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    assert (folder / "notes.txt").read_text() == "mine"
    (result,) = segment_path(runner, once / "in")  # now it is nobody's, and there is nothing to keep
    assert list((folder / "history").iterdir()) == [kept]


def test_a_pseudonym_s_record_has_keyed_digests(once: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    (case,) = find_cases(once / "in")
    runner = CaseRunner(segmenter, tmp_path, choices=Choices(objects=False), secret="a secret")
    first, second = (next(segment_path(runner, once / "in")) for _ in range(2))
    assert (first.skipped, second.skipped) == (None, "already done")
    plain = describe_input(case, case.files, secret=None)
    stated = first.record["input"]
    assert stated["n_files"] == plain.n_files
    assert not {plain.sha256, plain.state} & {stated["sha256"], stated["state"]}
