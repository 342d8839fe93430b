"""A clean folder in which the words in capitals of the documentation are files and folders: STUDY, DATA, RUN, ...

Patients are synthetic and small, and networks are trained for a moment: what is tried is that commands run as written.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pydicom

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.review.desk import Desk
from pipeline.app.review.session import Verdict
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dataset import write_dataset
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine
from tools.docs.commands import ROOT

__all__ = ["PREPARED", "QUICK", "Workspace"]

PREPARED = {"window": "[64,64]", "spacing_mm": "[4.0,4.0,-1]"}
"""What makes images small."""
QUICK = {"epochs": 1, "val_interval": 1, "batch_size": 8, **PREPARED}
"""What makes a training short."""
SCAN = {"n_phases": 4, "n_slices": 9, "size": 112, "pixel_mm": 2.5}
SMALL = {"n_phases": 3, "n_slices": 5, "size": 48, "pixel_mm": 5.0, "step_mm": 18.0}


class Workspace:
    """A folder to run a page's commands in.

    Args:
        folder: a new folder.
        store: where what takes long to make is kept for other workspaces.
    """

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder, self._store = folder, store
        for path in (folder, store):
            path.mkdir(parents=True, exist_ok=True)

    def provide(self, word: str) -> bool:
        """Make what a word of a command names, unless an earlier command has; whether it is there then."""
        made = self.folder / word
        source = _SOURCES.get(word.split("/", 1)[0])
        if made.exists() or source is None:
            return made.exists()
        kept = self._store / source.__name__
        if not kept.exists():
            source(self, kept)
        name, _, part = word.partition("/")
        if (self.folder / name).exists():  # of what an earlier command has made only the part that is lacking
            source_of, target = kept / part, made
        else:
            source_of, target = kept, self.folder / name
        if source_of.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source_of.is_dir() else shutil.copy)(source_of, target)
        return made.exists()

    def cmr(self, *arguments: object) -> None:
        """Run a command that makes something needed.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
        environment = os.environ | {"CMR_JOBS": "0", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(  # noqa: S603 our own
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[2:])}: {done.stdout}{done.stderr}")

    def needs(self, word: str) -> Path:
        """The path of something provided."""
        self.provide(word)
        return self.folder / word


def _study(_: Workspace, made: Path) -> None:
    write_study(make_cine(make_patient(3), **SCAN), made)


def _studies(_: Workspace, made: Path) -> None:
    for seed in (4, 5):
        write_study(make_cine(make_patient(seed), **SCAN), made / f"sub-{seed:02d}")


def _data(_: Workspace, made: Path) -> None:
    write_dataset(made, n_patients=5, **SMALL)


def _results(space: Workspace, made: Path) -> None:
    """Two studies of one patient: CASE, and EARLIER, which a reader has accepted."""
    images = made.parent / "images"
    for name in ("CASE", "EARLIER"):
        shutil.copytree(space.needs("STUDY"), images / name)
    uid = pydicom.uid.generate_uid()
    for path in (path for path in (images / "EARLIER").rglob("*") if path.is_file()):
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID = uid
        dataset.save_as(path)
    space.cmr("segment", images, "-o", made)
    with Desk(made).opened("EARLIER") as opened:
        opened.save(Verdict("accepted"), reader="A reader")


def _settings(chosen: Mapping[str, object]) -> list[str]:
    return [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]


def _run(space: Workspace, made: Path) -> None:
    space.cmr("train", "--data", space.needs("DATA"), "--out", made, *_settings(QUICK))


def _folds(space: Workspace, made: Path) -> None:
    space.cmr("crossvalidate", "--data", space.needs("DATA"), "--out", made, *_settings(QUICK))


def _evaluation(space: Workspace, made: Path) -> None:
    space.cmr("evaluate", "--data", space.needs("DATA"), "--bundle", space.needs("RUN"), "-o", made)


def _other_evaluation(space: Workspace, made: Path) -> None:
    """Of the patients that the run kept aside, as the page's own."""
    run = space.needs("RUN")
    space.cmr(
        *("evaluate", "--data", space.needs("DATA"), "--bundle", run, "-o", made),
        *("--set", f"cases={run / 'eval/run.json'}"),
    )


def _pack(space: Workspace, made: Path) -> None:
    space.cmr("pack", space.needs("DATA"), made, *_settings(PREPARED))


def _split(space: Workspace, made: Path) -> None:
    shutil.copy(space.needs("RUN") / "eval/run.json", made)


def _bundle(_: Workspace, made: Path) -> None:
    copy_bundle(find_bundle(DEFAULT_BUNDLE), made)


def _configs(_: Workspace, made: Path) -> None:
    shutil.copytree(ROOT / "configs", made)


def _plan(space: Workspace, made: Path) -> None:
    space.cmr("plan", space.needs("DATA"), "-o", made)


def _corrected(space: Workspace, made: Path) -> None:
    shutil.copy(space.needs("OUT") / "CASE/seg_ed.dcm", made)


def _fenced(page: str, language: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(blocks[0])


def _network(_: Workspace, made: Path) -> None:
    made.write_text(_fenced("docs/adding-a-network.md", "python"), "utf-8")


def _network_package(_: Workspace, made: Path) -> None:
    made.mkdir()
    (made / "my_module.py").write_text(_fenced("docs/adding-a-network.md", "python"), "utf-8")


def _references(_: Workspace, made: Path) -> None:
    made.write_text(_fenced("docs/references.md", "csv"), "utf-8")


def _image(space: Workspace, made: Path) -> None:
    shutil.copy(space.needs("DATA") / "images/phantom0000.nii.gz", made)


def _label(space: Workspace, made: Path) -> None:
    shutil.copy(space.needs("DATA") / "labels/phantom0000.nii.gz", made)


_SOURCES: dict[str, Callable[[Workspace, Path], None]] = {
    "STUDY": _study,
    "STUDY1": _study,
    "STUDY2": _study,
    "INPUT": _studies,
    "STUDIES": _studies,
    "DATA": _data,
    "acdc": _data,
    "OUT": _results,
    "RUN": _run,
    "FOLDS": _folds,
    "EVALUATION": _evaluation,
    "OTHER_EVALUATION": _other_evaluation,
    "BUNDLE": _bundle,
    "data.pack": _pack,
    "configs": _configs,
    "plan.yaml": _plan,
    "run.json": _split,
    "corrected.dcm": _corrected,
    "my_module.py": _network,
    "my_package": _network_package,
    "own.csv": _references,
    "centre.csv": _references,
    "image.nii.gz": _image,
    "label.nii.gz": _label,
}
"""What makes a thing, by the word for it."""
