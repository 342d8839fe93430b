"""Kill -9 whatever writes, again and again, and see that what lies there is whole and that going on ends the same.

    python benchmarks/kills.py OUT [--kills 100] [--seed 0] [--only train pack segment report]

Half of the kills come at a random moment, half at a random file operation, before it is done: an opening for writing, a
renaming, a removal, a new folder. Each process is forked from this one, which has its libraries already.

- `train`: a training is killed and goes on until it is finished. Weights that lie there are whole and the bundle's own
  after every kill; at the end they are, bit for bit, those of a training that was never killed.
- `pack`: the pack is none, the old or the new one.
- `segment`: each case's folder is whole, old or none; the run that is left in peace finishes all and leaves no litter.
- `report`: the objects, report and record of a case are all old or all new.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.app import cli
from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.choices import Choices
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.predict import CaseRunner, segment_path
from pipeline.app.scratch import CLAIM, WRITING, clear_abandoned
from pipeline.app.segmenter import Segmenter
from pipeline.app.training import require_run
from pipeline.core.digests import file_digest
from pipeline.core.errors import ConfigError
from pipeline.infer.digests import check_digest
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dataset import write_dataset
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine
from pipeline.train.record import read_record

SETTINGS: dict[str, Any] = {
    "network_def#channels": [4, 8],
    "network_def#strides": [2],
    "batch_size": 2,
    "window": [32, 32],
    "spacing_mm": [8.0, 8.0, -1],
    "val_interval": 1,
    "epochs": 3,
    "n4": False,
    "amp": False,
}
SCAN: dict[str, Any] = {"n_phases": 1, "n_slices": 4, "size": 32, "pixel_mm": 8.0, "step_mm": 20.0}
WRITES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"})

Run = Callable[[], object]


class Killer:
    """Forks processes and kills them.

    Args:
        log: file that receives what they print.
        rng: draws the moments.
    """

    def __init__(self, log: Path, rng: np.random.Generator) -> None:
        self.log, self.rng = log, rng
        self.n_kills = 0
        self.whole: dict[str, tuple[float, int]] = {}
        """Seconds and file operations of an undisturbed run, by kind."""

    def undisturbed(self, kind: str, run: Run) -> None:
        """Run to the end, and count."""
        start, counted = time.monotonic(), self.log.with_suffix(".count")
        if not _succeeded(self._fork(run, counted=counted)):
            raise SystemExit(f"{kind} fails without a kill, see {self.log}")
        self.whole[kind] = time.monotonic() - start, int(counted.read_text())

    def once(self, kind: str, run: Run) -> bool:
        """Run, killed at a random moment or operation; whether it came to its end before that."""
        seconds, n_operations = self.whole[kind]
        if self.rng.random() < 0.5:
            pid = self._fork(run, at=int(self.rng.integers(1, n_operations + 1)))
        else:
            pid = self._fork(run)
            time.sleep(float(self.rng.uniform(0.0, seconds)))
            os.kill(pid, signal.SIGKILL)
        if _succeeded(pid, may_be_killed=True):
            return True
        self.n_kills += 1
        return False

    def _fork(self, run: Run, *, at: int | None = None, counted: Path | None = None) -> int:
        pid = os.fork()
        if pid:
            return pid
        with self.log.open("ab") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        done = [0]
        sys.addaudithook(lambda event, values: _die_at(event, values, done, at))
        try:
            run()
            if counted is not None:
                counted.write_text(str(done[0]))
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - the process ends here, whatever it was
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)


def _die_at(event: str, values: tuple[Any, ...], done: list[int], at: int | None) -> None:
    mode = values[1] if event == "open" and len(values) > 1 else None
    if event in WRITES or (isinstance(mode, str) and set(mode) & set("wxa+")):
        done[0] += 1
        if done[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)


def _succeeded(pid: int, *, may_be_killed: bool = False) -> bool:
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and may_be_killed and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    if status:
        raise SystemExit("a process failed by itself, see the log")
    return True


def cmr(*command: str | Path) -> None:
    """A command line in this process."""
    cli.app([str(word) for word in command], standalone_mode=False)


def require(holds: bool, told: str) -> None:
    """End with what is torn."""
    if not holds:
        raise SystemExit(f"TORN: {told}")


def trained(killer: Killer, out: Path, n_kills: int) -> str:
    """Kill trainings."""
    data = out / "patients"
    write_dataset(data, n_patients=4, **SCAN)
    settings = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    reference, run = out / "reference", out / "run"
    killer.undisturbed("train", lambda: cmr("train", "-o", reference, "--data", data, *settings))
    wanted = torch.load(reference / "models" / "model.pt", weights_only=True)
    runs, starts = 0, []
    while killer.n_kills < n_kills:
        shutil.rmtree(run, ignore_errors=True)
        finished, n_starts = False, 0
        while not finished:
            resumed = ["--resume"] if _has_begun(run) else []
            n_starts += 1
            finished = killer.once(
                "train", lambda given=resumed: cmr("train", "-o", run, *given, "--data", data, *settings)
            )
            weights = run / "models" / "model.pt"
            if weights.is_file():
                check_digest(run, weights)
            read_record(run / "eval" / "run.json")
        found = torch.load(run / "models" / "model.pt", weights_only=True)
        require(found.keys() == wanted.keys(), "the weights have other names")
        require(all(torch.equal(found[name], wanted[name]) for name in wanted), "the weights differ")
        require(
            file_digest(run / "models" / "model.pt") == file_digest(reference / "models" / "model.pt"), "the file does"
        )
        runs, starts = runs + 1, [*starts, n_starts]
    return f"{runs} trainings of {min(starts)} to {max(starts)} starts, each with the bytes of the undisturbed one"


def _has_begun(run: Path) -> bool:
    """Whether there is anything to go on with: a run killed before it had its configurations is begun anew."""
    try:
        require_run(run)
    except ConfigError:
        return False
    return True


def packed(killer: Killer, out: Path, n_kills: int) -> str:
    """Kill packings."""
    data = out / "patients"
    write_dataset(data, n_patients=4, **SCAN)
    settings = ("--set", "spacing_mm=[8.0,8.0,-1]", "--set", "n4=false")
    digests: dict[str, str] = {}
    for bits in ("8", "7"):
        killer.undisturbed("pack", lambda bits=bits: cmr("pack", data, out / f"{bits}.pack", "--bits", bits, *settings))
        digests[bits] = _content(out / f"{bits}.pack")
    found = dict.fromkeys(("none", "old", "new"), 0)
    pack = out / "data.pack"
    while killer.n_kills < n_kills:
        pack.unlink(missing_ok=True)
        had_old = bool(killer.rng.random() < 0.5)
        if had_old:
            shutil.copy(out / "7.pack", pack)
        killer.once("pack", lambda: cmr("pack", data, pack, "--bits", "8", *settings))
        there = _content(pack) if pack.exists() else ""
        state = {"": "none", digests["7"]: "old", digests["8"]: "new"}.get(there)
        require(state is not None and not (state == "none" and had_old), "the pack")
        found[str(state)] += 1
    return ", ".join(f"{count} {state}" for state, count in found.items())


def _content(pack: Path) -> str:
    """Names and checksums of what is in a pack, read whole."""
    with zipfile.ZipFile(pack) as archive:
        require(archive.testzip() is None, f"{pack} is damaged")
        return json.dumps([(entry.filename, entry.CRC) for entry in archive.infolist()])


def _studies(folder: Path) -> Path:
    for number in (11, 12):
        phantom = make_cine(make_patient(number), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
        write_study(phantom, folder / f"patient{number}", extras=False)
    return folder


def _bundle(root: Path) -> Path:
    small = {"network_def#channels": [4, 8, 16], "network_def#strides": [2, 2], "window": [64, 64], "amp": False}
    copy_bundle(
        find_bundle(DEFAULT_BUNDLE), root, small | {"spacing_mm": [4.0, 4.0, -1], "focus": False, "poses": False}
    )
    torch.manual_seed(0)
    torch.save(_network(root).state_dict(), root / "models" / "model.pt")
    return root


def _network(root: Path) -> torch.nn.Module:
    from monai.bundle import ConfigParser

    parser = ConfigParser(ConfigParser.load_config_files([str(root / "configs" / "inference.json")]))
    return parser.get_parsed_content("network_def")


def _state_of(folder: Path) -> str:
    """Of a case's folder: "claimed" or "whole"; ends the trial where it is neither."""
    record = json.loads((folder / "measurements.json").read_text())
    stated = record.get("files")
    others = {path.name for path in folder.iterdir()} - {"measurements.json"}
    if stated is None:
        require(not others, f"{folder} has files and no record of them")
        return "claimed"
    require(others == set(stated), f"{folder} holds {sorted(others)}, its record says {sorted(stated)}")
    for name, digest in stated.items():
        require(file_digest(folder / name) == digest, f"{folder / name} is not what its record says")
    return "whole"


def segmented(killer: Killer, out: Path, n_kills: int) -> str:
    """Kill segmentations of two studies, with all their objects."""
    studies, segmenter = _studies(out / "studies"), Segmenter(_bundle(out / "bundle"), device="cpu")
    found = {"claimed": 0, "whole": 0}

    def segment(place: Path, *, again: bool) -> None:
        list(segment_path(CaseRunner(segmenter, place, choices=Choices(again=again)), studies))

    killer.undisturbed("segment", lambda: segment(out / "undisturbed", again=False))
    results, again = out / "results", False
    while killer.n_kills < n_kills:
        finished = killer.once("segment", lambda anew=again: segment(results, again=anew))
        for folder in [one for one in results.glob("[!.]*") if one.is_dir()] if results.exists() else []:
            found[_state_of(folder)] += 1
        if finished:
            clear_abandoned(results, WRITING, CLAIM)
            litter = [path for path in results.rglob("*") if path.name.startswith(".") or path.suffix == ".partial"]
            require(not litter, f"litter: {litter}")
            again = bool(killer.rng.random() < 0.5)
            if not again:
                shutil.rmtree(results)
    return ", ".join(f"{count} {state} folders" for state, count in found.items())


def reported(killer: Killer, out: Path, n_kills: int) -> str:
    """Kill the rewriting of a case's objects, report and record."""
    studies, segmenter = _studies(out / "studies"), Segmenter(_bundle(out / "bundle"), device="cpu")
    results = out / "results"
    folder = next(result.folder for result in segment_path(CaseRunner(segmenter, results), studies))
    phases = [("--ed", "0", "--es", "1"), ("--ed", "2", "--es", "1")]
    for given in phases:
        killer.undisturbed("report", lambda given=given: cmr("report", folder, *given))
    seen: set[int] = set()
    while killer.n_kills < n_kills:
        killer.once("report", lambda: cmr("report", folder, *phases[killer.n_kills % 2]))
        require(_state_of(folder) == "whole", f"{folder}")
        seen.add(json.loads((folder / "measurements.json").read_text())["ed_phase"])
    return f"whole each time, end diastole being phase {' or '.join(map(str, sorted(seen)))}"


KINDS = {"train": trained, "pack": packed, "segment": segmented, "report": reported}


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # a forked process has none of the others
    for kind in arguments.only:
        place = arguments.out.resolve() / kind
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        killer = Killer(place / "log.txt", np.random.default_rng(arguments.seed))
        told = KINDS[kind](killer, place, arguments.kills)
        print(f"{kind}: {killer.n_kills} kills; {told}", flush=True)


if __name__ == "__main__":
    main()
