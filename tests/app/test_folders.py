"""One patient never replaces another: whose a case's folder is, and who gets which."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import nibabel as nib
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.bundles import run_workflow
from pipeline.app.case_results import record_failure
from pipeline.app.folders import claim_folder, claimed, find_folder
from pipeline.app.results import owner_of, write_record
from pipeline.app.worklist import update_worklist
from pipeline.core.errors import InputError
from pipeline.read.discover import CaseFiles, find_cases

from .conftest import restate

NAME = "Doe"


@pytest.fixture
def segment(untrained_bundle: Path, tmp_path: Path) -> Callable[..., tuple[int, list[dict]]]:
    """`cmr segment --json` into `tmp_path/out`: exit code and what is told of each case."""

    def run(source: Path, *options: str) -> tuple[int, list[dict]]:
        command = ["segment", str(source), "-o", str(tmp_path / "out"), "--bundle", str(untrained_bundle), "--json"]
        result = CliRunner().invoke(cli.app, [*command, *options])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]

    return run


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _folders(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if path.is_dir()}


def _identity(folder: Path) -> str:
    return find_cases(folder)[0].identity


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_archives_of_one_name_get_a_folder_each(
    segment: Callable, namesakes: list[Path], tmp_path: Path, order: tuple[int, int]
) -> None:
    out, (first, second) = tmp_path / "out", (namesakes[place] for place in order)
    code, (one,) = segment(first)
    before = _contents(out / NAME)
    code_2, (two,) = segment(second)
    assert (code, code_2) == (0, 0)
    assert _contents(out / NAME) == before
    assert _folders(out) == {one["name"], two["name"]}
    assert one["name"] == NAME
    assert two["name"].startswith(f"{NAME}-")
    for told, source in ((one, first), (two, second)):
        folder, header = Path(told["folder"]), pydicom.dcmread(next(source.iterdir()))
        assert folder == out / told["name"]
        assert json.loads((folder / "measurements.json").read_text())["case"] == told["name"]
        written = pydicom.dcmread(next(folder.glob("seg_*.dcm")))
        assert (written.StudyInstanceUID, written.PatientID) == (header.StudyInstanceUID, header.PatientID)
        assert owner_of(folder) == _identity(source)
        assert f"{quote(told['name'])}/report.html" in (out / "index.html").read_text()
    for source, told in ((second, two), (first, one)):  # once more, the other way round
        assert segment(source)[1][0]["folder"] == told["folder"]
    assert _folders(out) == {one["name"], two["name"]}


def test_nifti_files_of_one_name_get_a_folder_each(segment: Callable, studies: Path, tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    shutil.copy(studies / "three.nii", tmp_path / "a" / "heart.nii")
    image = nib.load(studies / "three.nii")
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine, image.header), tmp_path / "b" / "heart.nii")
    names = [segment(tmp_path / place / "heart.nii", "--no-objects")[1][0]["name"] for place in "abab"]
    assert names[0] == "heart" != names[1]
    assert names[2:] == names[:2]
    assert _folders(tmp_path / "out") == set(names)


def test_two_patients_of_one_study_uid_get_a_folder_each(
    segment: Callable, namesakes: list[Path], tmp_path: Path
) -> None:
    shutil.copytree(namesakes[1], tmp_path / NAME)
    restate(tmp_path / NAME, PatientID="4712")
    names = {segment(source, "--no-objects")[1][0]["name"] for source in (namesakes[1], tmp_path / NAME)}
    assert len(names) == 2
    assert _folders(tmp_path / "out") == names


def test_a_failed_case_leaves_its_namesake_alone(segment: Callable, namesakes: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert segment(namesakes[0])[0] == 0
    before = _contents(out / NAME)
    shutil.copytree(namesakes[1], tmp_path / NAME)
    next((tmp_path / NAME).iterdir()).unlink()
    code, (told,) = segment(tmp_path / NAME)
    assert (code, told["error"] is None) == (1, False)
    assert told["name"].startswith(f"{NAME}-")
    assert Path(told["folder"]) == out / told["name"]
    assert _contents(out / NAME) == before
    assert [path.name for path in Path(told["folder"]).iterdir()] == ["measurements.json"]  # which says that it failed
    page = (out / "index.html").read_text()
    assert f"{quote(NAME)}/report.html" in page
    assert told["name"] in page


def test_pseudonyms_alike_get_a_folder_each_and_tell_no_uid(
    segment: Callable, namesakes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.app.identity.pseudonym_of", lambda *_, **__: "P-0123456789")
    names = [segment(source, "--pseudonym", "a secret", "--no-objects")[1][0]["name"] for source in namesakes * 2]
    assert names[0] == "P-0123456789-0123" != names[1]
    assert names[2:] == names[:2]
    assert _folders(tmp_path / "out") == set(names)
    for source, name in zip(namesakes, names, strict=False):
        record = (tmp_path / "out" / name / "measurements.json").read_text()
        assert all(word not in record for word in (*_identity(source).split()[1::2], str(source)))
    (case,) = find_cases(namesakes[0])
    monkeypatch.undo()
    keyed = {owner_of(tmp_path / "out" / names[0])}
    for secret in ("a secret", "another"):
        shutil.rmtree(tmp_path / "out")
        told = segment(namesakes[0], "--pseudonym", secret, "--no-objects")[1][0]
        keyed.add(owner_of(Path(told["folder"])))
    assert len(keyed) == 2  # the secret alone makes the difference
    assert case.identity not in keyed


def test_monai_s_own_command_gives_a_folder_each(untrained_bundle: Path, namesakes: list[Path], tmp_path: Path) -> None:
    for source in (*namesakes, namesakes[0]):
        overrides = {"dataset_dir": str(source), "output_dir": str(tmp_path / "out"), "dicom_seg": True}
        run_workflow(untrained_bundle, config="inference", run_id="inference", overrides=overrides)
    folders = [tmp_path / "out" / name for name in sorted(_folders(tmp_path / "out"))]
    assert folders[0].name == NAME
    assert [owner_of(folder) for folder in folders] == [_identity(source) for source in namesakes]
    for folder, source in zip(folders, namesakes, strict=True):
        written, header = (pydicom.dcmread(path) for path in (next(folder.glob("seg_*.dcm")), next(source.iterdir())))
        assert written.StudyInstanceUID == header.StudyInstanceUID
        assert {"segmentation.nii.gz", "measurements.json"} <= {path.name for path in folder.iterdir()}


def test_failed_cases_without_a_name_are_listed_each(tmp_path: Path) -> None:
    reasons = ("cut short", "no slices")
    for reason in reasons:
        record_failure(tmp_path, _case(f"keyed {reason}", "unnamed"), reason)
    page = update_worklist(tmp_path)
    assert all(reason in page.read_text() for reason in reasons)


def _case(identity: str, name: str = "x") -> CaseFiles:
    return CaseFiles(name, Path("there"), "nifti", (Path("there"),), identity)


def test_a_free_folder_is_taken_and_bound(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for _ in range(2):
        assert claim_folder(tmp_path, _case("a")) == tmp_path / "x"
    assert owner_of(tmp_path / "x") == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert find_folder(tmp_path / "new", _case("a")) == tmp_path / "new" / "x"
    assert not (tmp_path / "new").exists()
    assert claim_folder(tmp_path / "new", _case("a")) == tmp_path / "new" / "x"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"{}"),
        *(("measurements.json", content) for content in (b"{}", b'{"source": null}', b'{"source": "a"}', b"[")),
    ],
)
def test_what_is_not_ours_is_left_alone(
    tmp_path: Path, name: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / name).write_bytes(content)
    folder = claim_folder(tmp_path, _case("a"))
    assert folder.name.startswith("x-")
    assert (len(folder.name), folder.parent) == (8, tmp_path)
    assert _contents(tmp_path / "x") == {name: content}
    assert str(tmp_path / "x") in caplog.text
    assert str(folder) in caplog.text


def test_a_file_or_a_link_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    (tmp_path / "else").mkdir()
    (tmp_path / "y").symlink_to(tmp_path / "else")
    assert claim_folder(tmp_path, _case("a")).name.startswith("x-")
    assert claim_folder(tmp_path, _case("a", "y")).name.startswith("y-")
    assert (tmp_path / "x").read_text() == "mine"
    assert not list((tmp_path / "else").iterdir())


def test_the_folder_stays_the_same_when_the_other_one_goes(tmp_path: Path) -> None:
    claim_folder(tmp_path, _case("a"))
    second = claim_folder(tmp_path, _case("b"))
    shutil.rmtree(tmp_path / "x")
    assert claim_folder(tmp_path, _case("b")) == second
    assert claim_folder(tmp_path, _case("c")) == tmp_path / "x"


def test_more_digits_where_few_are_taken_and_a_refusal_where_all_are(tmp_path: Path) -> None:
    lengths = []
    for _ in range(4):
        folder = claim_folder(tmp_path, _case("a"))
        lengths.append(len(folder.name))
        (folder / "measurements.json").write_text('{"source": {"identity": "b"}}')
    assert lengths == [1, 8, 18, 66]
    with pytest.raises(InputError, match="a folder of its own"):
        claim_folder(tmp_path, _case("a"))


def test_a_record_is_never_written_over_another_study_s(tmp_path: Path) -> None:
    folder = claim_folder(tmp_path, _case("a"))
    before = _contents(folder)
    with pytest.raises(InputError, match="of its own study"):
        write_record(folder, {"source": {"identity": "b"}})
    assert _contents(folder) == before
    write_record(folder, {"kind": "cine"})
    assert owner_of(folder) == "a"


def test_a_folder_that_is_only_claimed_is_not_on_the_worklist(tmp_path: Path) -> None:
    claim_folder(tmp_path, _case("a"))
    assert "0 studies" in update_worklist(tmp_path).read_text()


@pytest.mark.parametrize("name", ["index.html", "Index.HTML", ".", ".."])
def test_a_name_that_no_folder_can_have_gets_digits(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    folder = claim_folder(out, _case("a", name))
    assert folder.name.startswith(f"{name}-")
    assert [path.name for path in out.iterdir()] == [folder.name]
    assert list(tmp_path.iterdir()) == [out]


def test_a_disk_that_refuses_is_not_taken_for_another_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Path:
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError, match="read-only"):
        claim_folder(tmp_path, _case("a"))


def test_cases_are_named_like_their_folders(tmp_path: Path) -> None:
    claim_folder(tmp_path, _case("a"))
    one, two = claimed([_case("b"), _case("a")], str(tmp_path))
    assert two == _case("a")
    assert one == replace(_case("b"), name=find_folder(tmp_path, _case("b")).name)
    assert one.name != "x"


def test_who_is_a_moment_late_gets_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def after_another(made: Path, folder: Path) -> Path:
        monkeypatch.undo()
        assert claim_folder(tmp_path, _case("faster")) == folder
        return rename(made, folder)

    monkeypatch.setattr(Path, "rename", after_another)
    assert claim_folder(tmp_path, _case("late")).name.startswith("x-")
    assert owner_of(tmp_path / "x") == "faster"
    assert len(list(tmp_path.iterdir())) == 2


_CLAIM_ALL = """
import sys
from pathlib import Path
from pipeline.app.folders import claim_folder
from pipeline.read.discover import CaseFiles
print("ready", flush=True)
for name in sys.stdin:
    case = CaseFiles(name.strip(), Path("there"), "nifti", (), sys.argv[2])
    print(claim_folder(Path(sys.argv[1]), case).name, flush=True)
"""


def _by_processes(out: Path, identities: str, names: list[str]) -> dict[str, list[str]]:
    def start(identity: str) -> subprocess.Popen:
        command = [sys.executable, "-c", _CLAIM_ALL, str(out), identity]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    started = {one: start(one) for one in identities}
    got: dict[str, list[str]] = {one: [] for one in identities}
    for process in started.values():
        assert process.stdout.readline() == b"ready\n"
    for name in names:  # all of them at every single name
        for process in started.values():
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
        for one, process in started.items():
            got[one].append(process.stdout.readline().decode().strip())
    for process in started.values():
        process.communicate()
    return got


def _by_threads(out: Path, identities: str, names: list[str]) -> dict[str, list[str]]:
    together = threading.Barrier(len(identities))

    def claim_all(identity: str) -> list[str]:
        return [claim_folder(out, _case(identity, name)).name for name in names if together.wait(60) >= 0]

    with ThreadPoolExecutor(len(identities)) as pool:
        return dict(zip(identities, pool.map(claim_all, identities), strict=True))


@pytest.mark.parametrize("claim_all", [_by_threads, _by_processes])
def test_those_who_claim_at_once_get_a_folder_each(tmp_path: Path, claim_all: Callable) -> None:
    asked = [f"x{number}" for number in range(150)]
    got = claim_all(tmp_path, "abc", asked)
    names = [name for one in "abc" for name in got[one]]
    assert len(set(names)) == len(names) == 450
    assert {path.name for path in tmp_path.iterdir()} == set(names) > set(asked)
    assert all(owner_of(tmp_path / name) == one for one in "abc" for name in got[one])
    assert _by_threads(tmp_path, "b", asked)["b"] == got["b"]


def test_exports_are_called_by_their_patients(segment: Callable, namesakes: list[Path], tmp_path: Path) -> None:
    """As a PACS exports them: what the folders of both studies are called tells nothing."""
    for patient, source in zip(("Doe", "Roe"), namesakes, strict=True):
        shutil.copytree(source, tmp_path / "in" / patient / "Unknown Study")
    together = {told["name"] for told in segment(tmp_path / "in", "--no-objects")[1]}
    alone = {segment(tmp_path / "in" / name / "Unknown Study", "--no-objects")[1][0]["name"] for name in ("Roe", "Doe")}
    assert together == alone == _folders(tmp_path / "out") == {"Doe", "Roe"}


def test_a_study_keeps_its_folder_when_another_comes_to_lie_beside_it(
    segment: Callable, namesakes: list[Path], tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    shutil.copytree(namesakes[0], flat)
    (first,) = segment(flat, "--no-objects")[1]
    for path in namesakes[1].iterdir():
        shutil.copy(path, flat / f"other_{path.name}")
    both = {told["name"] for told in segment(flat, "--no-objects")[1]}
    assert first["name"] == "flat"
    assert both == _folders(tmp_path / "out")
    assert len(both - {"flat"}) == 1
