"""Speed beside nnU-Net v2 on this machine: training, and a whole DICOM cine.

    python -m venv /tmp/nnunet && /tmp/nnunet/bin/pip install torch==2.13.0 nnunetv2==2.8.1
    python benchmarks/nnunet.py ACDC_FOLDER STUDY --python /tmp/nnunet/bin/python [--bundle RUN] [--out RESULTS.json]

nnU-Net plans itself on all of ACDC and trains in 2D with its own loading and augmentation; pixels a second are
compared, since windows differ. It then predicts the study's phases, given to it as NIfTI, by its own command, with and
without the mirroring that is its default; ours gets the DICOM folder. Both commands include the start of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import nibabel as nib
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from steps import command_row

from pipeline.app.bundles import apply_overrides, copy_bundle, find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.core.images import Cine
from pipeline.read.cine import read_cine
from pipeline.read.datasets import load_datalist

DATASET = "Dataset027_ACDC"
N_STEPS = 1  # of nnU-Net: about a minute on two cores
SIDE = Path(__file__).with_name("nnunet_side.py")


def main() -> None:
    """Print both sides' figures and their ratios, and write them as JSON where a path is given."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("study", type=Path)
    options.add_argument("--python", type=Path, required=True, help="of an environment with nnU-Net")
    options.add_argument("--bundle", default=DEFAULT_BUNDLE)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        ours = _train_ours(chosen.data, Path(scratch))
        command = command_row(chosen.bundle, chosen.study)
        theirs = _run_theirs(chosen.data, chosen.study, chosen.python, Path(scratch))
    seconds = float(str(command["ours_s"]))
    speeds = {"ours": ours["pixels"] / ours["seconds"], "nnU-Net": theirs["train_pixels"] / theirs["train_s"]}
    results = {
        "train_pixels_a_second": speeds,
        "train_ratio": speeds["ours"] / speeds["nnU-Net"],
        "segment_s": seconds,
        "predict_s": theirs["predict_plain_s"],
        "predict_ratio": theirs["predict_plain_s"] / seconds,
        "predict_mirrored_s": theirs["predict_mirrored_s"],
        "predict_mirrored_ratio": theirs["predict_mirrored_s"] / seconds,
    }
    print(json.dumps(results, indent=2))
    if chosen.out:
        chosen.out.write_text(json.dumps(results, indent=2) + "\n")


def _train_ours(data: Path, scratch: Path) -> dict[str, float]:
    """The second epoch of a training on a tenth of the patients, loading and augmentation included."""
    settings = {"epochs": 2, "val_interval": 99, "val_fraction": 0.9, "validate#dataset#cache_dir": None}
    root = copy_bundle(find_bundle(DEFAULT_BUNDLE), scratch / "ours", settings)
    workflow = ConfigWorkflow(
        config_file=str(root / "configs" / "train.json"),
        meta_file=str(root / "configs" / "metadata.json"),
        logging_file=str(root / "configs" / "logging.conf"),
        workflow_type="train",
    )
    apply_overrides(workflow.parser, {"bundle_root": str(root), "dataset_dir": str(data)})
    workflow.initialize()
    trainer = workflow.parser.get_parsed_content("train#trainer")
    moments: list[float] = []
    trainer.add_event_handler(
        Events.EPOCH_STARTED | Events.EPOCH_COMPLETED, lambda: moments.append(time.perf_counter())
    )
    workflow.run()
    window, batch = workflow.parser["window"], workflow.parser["batch_size"]
    return {"seconds": moments[3] - moments[2], "pixels": trainer.state.epoch_length * batch * window[0] * window[1]}


def _run_theirs(data: Path, study: Path, python: Path, scratch: Path) -> dict[str, float]:
    """Lay the data out as nnU-Net wants them, run its side in its own environment."""
    environment = os.environ | {"nnUNet_n_proc_DA": "2", "nnUNet_compile": "F"}
    for name in ("raw", "preprocessed", "results"):
        (scratch / name).mkdir()
        environment[f"nnUNet_{name}"] = str(scratch / name)
    _write_raw(data, scratch / "raw" / DATASET)
    _write_phases(read_cine(study), scratch / "phases")
    command = [str(python), str(SIDE), str(scratch / "times.json"), str(N_STEPS), str(scratch / "phases")]
    subprocess.run(command, check=True, env=environment)
    times: dict[str, float] = json.loads((scratch / "times.json").read_text())
    return times


def _write_raw(data: Path, folder: Path) -> None:
    cases = [case for case in load_datalist(data) if case.get("label")]
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for index, case in enumerate(cases):
        (folder / "imagesTr" / f"case{index:03d}_0000.nii.gz").symlink_to(Path(case["image"]).resolve())
        (folder / "labelsTr" / f"case{index:03d}.nii.gz").symlink_to(Path(case["label"]).resolve())
    labels = {"background": 0, "RV": 1, "MYO": 2, "LV": 3}
    description = {"channel_names": {"0": "cineMRI"}, "labels": labels, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(description | {"numTraining": len(cases)}))


def _write_phases(cine: Cine, folder: Path) -> None:
    folder.mkdir()
    for phase, volume in enumerate(cine.array):
        nib.save(nib.Nifti1Image(volume, cine.grid.affine), folder / f"phase{phase:02d}_0000.nii.gz")


if __name__ == "__main__":
    main()
