"""A run over many cases: what is done is skipped, what ends it leaves whole folders, and a bad case costs itself."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.case_table import CaseTable
from pipeline.app.cohort import Cohort, LoadRunner, threads_a_job
from pipeline.app.progress import Progress
from pipeline.app.request import Request
from pipeline.app.results import read_record
from pipeline.app.run_cohort import run_cohort
from pipeline.app.shards import Shard, parse_shard
from pipeline.core.digests import file_digest
from pipeline.core.errors import ConfigError, InputError
from pipeline.core.locks import holding
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dataset import write_nifti
from pipeline.phantom.study import make_cine

from .slow_cohort import LoadSlow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six patients' files, all alike but for a voxel."""
    folder = tmp_path_factory.mktemp("cohort")
    phantom = make_cine(make_patient(11), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
    write_nifti(folder / "first.nii.gz", phantom.image)
    image = nib.load(folder / "first.nii.gz")
    for number in range(6):
        voxels = np.asarray(image.dataobj).copy()
        voxels.flat[0] += number
        nib.save(nib.Nifti1Image(voxels, image.affine, image.header), folder / f"sub-{number}.nii.gz")
    (folder / "first.nii.gz").unlink()
    return folder


@contextmanager
def _slow(source: Path, out: Path, *, pause_s: float, jobs: int = 1) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "tests.app.slow_cohort", str(source), str(out), str(pause_s), str(jobs)]
    environment = os.environ | {"TMPDIR": str(out.parent / "temporary")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _require_ended(processes: list[int], is_alive: Callable[[int], bool]) -> None:
    """They end with their parent; multiprocessing's own tracker of resources takes a moment for it."""
    until = time.monotonic() + 10
    while any(is_alive(process) for process in processes):
        assert time.monotonic() < until, "a process outlives its parent"
        time.sleep(0.02)


def _require_whole(out: Path) -> list[str]:
    """The cases with results, all of whose files are as their record states."""
    cases = []
    for folder in (folder for folder in out.iterdir() if not folder.name.startswith(".") and folder.is_dir()):
        record = read_record(folder / "measurements.json")
        if "files" in record:
            assert set(record["files"]) == {"report.html", "segmentation.nii.gz"}
            assert {name: file_digest(folder / name) for name in record["files"]} == record["files"]
            cases.append(folder.name)
    return cases


def test_killed_at_any_moment_folders_are_whole_and_the_next_run_clears_up(
    cohort: Path, tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    out, temporary, moments = tmp_path / "out", tmp_path / "temporary", random.Random(15)
    temporary.mkdir()
    pauses = [0.2, 0.05, 0.4, 0.1, 0.02]
    for pause_s in pauses:
        with _slow(cohort, out, pause_s=pause_s) as process:
            while out.is_dir() is False or not _children(process.pid):
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 6 * pause_s))
            children = _children(process.pid)
            process.kill()
        _require_ended(children, is_alive)
        _require_whole(out)
    done = set(_require_whole(out))
    before = {name: (out / name / "measurements.json").stat().st_mtime_ns for name in done}
    with _slow(cohort, out, pause_s=0) as process:
        told, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert set(_require_whole(out)) == {f"sub-{number}" for number in range(6)}
    listed = {"index.html", "cohort.csv", "cohort_dictionary.csv", "cohort_redcap.csv"}
    assert {path.name for path in out.iterdir() if path.name[0] != "."} == {f"sub-{n}" for n in range(6)} | listed
    assert not list(temporary.iterdir())
    if done:
        assert f"{len(done)} of 6 already done" in told
    assert {name: (out / name / "measurements.json").stat().st_mtime_ns for name in done} == before


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")])
def test_a_signal_ends_in_one_sentence_with_the_worklist(
    cohort: Path, tmp_path: Path, is_alive: Callable[[int], bool], number: int, code: int, word: str
) -> None:
    (tmp_path / "temporary").mkdir()
    with _slow(cohort, tmp_path / "out", pause_s=0.3) as process:
        line = process.stdout.readline()
        assert re.fullmatch(r"\[1/6\] sub-0  segmented  0\.3 s, \d+ s left\n", line)
        children = _children(process.pid)
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code
    *_, listed, ended = told.splitlines()
    assert listed == f"worklist: {tmp_path / 'out' / 'index.html'}"
    assert re.fullmatch(rf"cmr: ended by {word}: [1-5] of 6 done; the same command goes on from there", ended)
    assert "Traceback" not in told
    assert (tmp_path / "out" / "index.html").is_file()
    assert {path.name for path in (tmp_path / "out").iterdir() if path.name[0] == "."} <= {".cohort.lock"}
    assert not list((tmp_path / "temporary").iterdir())
    _require_ended(children, is_alive)


def test_two_runs_do_not_write_into_one_folder(cohort: Path, tmp_path: Path) -> None:
    request = Request(tmp_path)
    with (
        holding(tmp_path),
        Cohort(LoadSlow(request, 0), request, jobs=0, timeout_s=None) as run,
        pytest.raises(ConfigError, match=f"another `cmr segment` is writing into {tmp_path}; wait"),
    ):
        run.plan(cohort)
    with Cohort(LoadSlow(request, 0), request, jobs=0, timeout_s=None) as run:
        assert len(run.plan(cohort)) == 6


def test_shares_are_done_beside_each_other_and_are_all_there_is(cohort: Path, tmp_path: Path) -> None:
    request = Request(tmp_path)
    load, alone = LoadSlow(request, 0), {"jobs": 0, "timeout_s": None}
    with (
        Cohort(load, request, **alone, shard=Shard(1, 2)) as one,
        Cohort(load, request, **alone, shard=Shard(2, 2)) as other,
    ):
        plans = [run.plan(cohort) for run in (one, other)]
        names = [[case.named.name for case in plan] for plan in plans]
        assert sorted(names[0] + names[1]) == [f"sub-{number}" for number in range(6)]
        with Cohort(load, request, **alone) as whole, pytest.raises(ConfigError, match="another `cmr segment`"):
            whole.plan(cohort)
        for run, plan in zip((one, other), plans, strict=True):
            assert all(result.error is None for result in run.run(plan))
    with Cohort(load, request, **alone) as whole:
        assert {case.left.state for case in whole.plan(cohort)} == {"done"}


def test_a_share_leaves_the_lists_to_a_run_of_the_whole(cohort: Path, tmp_path: Path) -> None:
    request = Request(tmp_path)
    for shard in (Shard(1, 1), None):
        run = Cohort(LoadSlow(request, 0), request, jobs=0, timeout_s=None, shard=shard)
        assert run_cohort(run, cohort, Progress(as_json=False, quiet=True), CaseTable(tmp_path)) == 0
        assert (tmp_path / "index.html").exists() == (tmp_path / "cohort.csv").exists() == (shard is None)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "1", "a/b", "-1/3", "1/2/3", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="must be K/N with K from 1 to N"):
        parse_shard(text)


def test_results_among_the_input_are_no_cases(cohort: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(cohort, tmp_path / "in")
    for out in (tmp_path / "in" / "out", tmp_path / "in"):
        request = Request(out)
        for _ in range(2):
            with Cohort(LoadSlow(request, 0), request, jobs=0, timeout_s=None) as run:
                plan = run.plan(tmp_path / "in")
                assert {case.files.name for case in plan} == {f"sub-{number}" for number in range(6)}
                assert len(list(run.run(plan))) == 6


def test_a_folder_that_is_taken_away_ends_the_run(cohort: Path, tmp_path: Path) -> None:
    request = Request(tmp_path / "out")
    with Cohort(LoadSlow(request, 0), request, jobs=0, timeout_s=None) as run:
        results = run.run(run.plan(cohort))
        next(results)
        (tmp_path / "out").rename(tmp_path / "elsewhere")
        with pytest.raises(InputError, match="must stay while it is written to"):
            next(results)
    assert (tmp_path / "elsewhere" / "sub-0" / "measurements.json").is_file()


@dataclass(frozen=True)
class LoadFaulty:
    """Loads a bundle whose network has a fault for one case, by the case's name."""

    load: LoadRunner

    def __call__(self) -> tuple[Any, Callable[[Any], Any]]:
        import torch

        made_by, attempt = self.load()
        segmenter = attempt.__self__.segmenter
        network = segmenter.network

        class Faulty(torch.nn.Module):
            fault = ""

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                if self.fault == "sub-1":
                    os._exit(9)
                if self.fault == "sub-2":
                    raise MemoryError("96 GiB")
                if self.fault == "sub-3":
                    time.sleep(600)
                return network(images)

        segmenter.network = Faulty()

        def attempt_with_fault(case: Any) -> Any:
            segmenter.network.fault = case.name
            return attempt(case)

        return made_by, attempt_with_fault


def test_a_bad_case_costs_itself_and_stays_on_the_list_until_it_is_well(
    cohort: Path, untrained_bundle: Path, tmp_path: Path
) -> None:
    request = Request(tmp_path / "out")
    load = LoadRunner(str(untrained_bundle), None, request, quiet=True)
    with Cohort(LoadFaulty(load), request, jobs=1, timeout_s=8) as run:
        errors = {result.name: result.error for result in run.run(run.plan(cohort))}
    assert errors == {
        "sub-0": None,
        "sub-1": "its process ended by itself with exit code 9",
        "sub-2": "more memory is needed than there is: 96 GiB",
        "sub-3": "it took longer than 8 s, so its process was ended",
        "sub-4": None,
        "sub-5": None,
    }
    for name, error in errors.items():
        record = read_record(tmp_path / "out" / name / "measurements.json")
        assert record.get("failed", {}).get("error") == error
        assert ("kind" in record) == (error is None)
    command = ["segment", str(cohort), "-o", str(tmp_path / "out"), "--bundle", str(untrained_bundle)]
    ran = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert ran.exit_code == 0
    assert "3 of 6 already done" in ran.stdout
    assert "sub-1, sub-2, sub-3: done again: the last attempt failed" in ran.stdout
    assert "not processed" not in (tmp_path / "out" / "index.html").read_text()


def test_the_command_with_processes(cohort: Path, untrained_bundle: Path, tmp_path: Path) -> None:
    """As a user calls it, two processes at once; then the same again, with a correction, and with another wish."""
    out, options = tmp_path / "out", ["--bundle", str(untrained_bundle)]
    command = [sys.executable, "-m", "pipeline", "segment", str(cohort), "-o", str(out), *options, "--jobs", "2"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert len(lines) == 7
    for number, line in enumerate(lines[:6], 1):
        assert re.match(rf"\[{number}/6\] sub-\d  (pass|review|fail)  EF -?\d+ %  [\d.]+ s", line), line
    assert [bool(re.search(r"\d (s|min) left", lines[place])) for place in (0, 5)] == [True, False]
    assert lines[6] == "6 studies segmented (not for diagnosis)"
    path = out / "sub-2" / "measurements.json"
    path.write_text(json.dumps(read_record(path) | {"review": {"status": "accepted"}}))
    before = path.read_bytes()
    alone = [*command[3:], "--jobs", "0"]
    ran = CliRunner().invoke(cli.app, [*alone, "--json"], catch_exceptions=False)
    assert ran.exit_code == 0
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [one["name"] for one in told] == [f"sub-{number}" for number in range(6)]
    assert {one["skipped"] for one in told[:2] + told[3:]} == {"already done"}
    assert all(one["measurements"]["kind"] == "few_phases" for one in told)
    assert "sub-2: kept: accepted by a reader; --again would make it anew" in ran.stderr
    assert path.read_bytes() == before


def test_phases_once_given_are_kept_until_they_are_cleared(
    cohort: Path, untrained_bundle: Path, tmp_path: Path
) -> None:
    def run(*arguments: str) -> dict[str, Any]:
        result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return read_record(tmp_path / "sub-0" / "measurements.json")

    segment = ["segment", str(cohort / "sub-0.nii.gz"), "-o", str(tmp_path), "--bundle", str(untrained_bundle)]
    report = ["report", str(tmp_path / "sub-0")]
    phases = [
        (record["ed_phase"], record["ed_from"], record["es_phase"], record["es_from"])
        for record in (
            run(*segment, "--ed", "2", "--es", "0", "--bsa", "dubois"),
            run(*report),
            run(*segment, "--again"),
            run(*report, "--ed", "1", "--bsa", "mosteller"),
            run(*segment),
        )
    ]
    assert phases == [(2, "given", 0, "given")] * 3 + [(1, "given", 0, "given")] * 2
    record = run(*report, "--exclude", "0")
    assert record["choices"]["bsa"] == "mosteller"
    record = run(*segment, "--find-phases", "--es", "1")
    assert (record["ed_from"], record["es_phase"], record["es_from"]) == ("curve", 1, "given")
    assert record["review"]["excluded_slices"] == [0]


def test_cores_are_divided() -> None:
    assert threads_a_job(1) is None
    assert threads_a_job(10_000) == 1
