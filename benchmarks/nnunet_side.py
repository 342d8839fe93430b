"""nnU-Net's side of `nnunet.py`: plans, preprocesses, trains a few steps, predicts. Needs nnU-Net v2, nothing of ours.

    python benchmarks/nnunet_side.py TIMES.json N_STEPS PREDICT_FOLDER

The folders `nnUNet_raw` (with one data set), `nnUNet_preprocessed` and `nnUNet_results` are named by the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess
from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

PLANS, CONFIGURATION = "nnUNetPlans", "2d"


def main(times: Path, n_steps: int, to_predict: Path) -> None:
    """Write seconds and pixels of each part as JSON."""
    name = next(Path(str(nnUNet_raw)).iterdir()).name
    number = int(name[len("Dataset") : len("Dataset") + 3])
    extract_fingerprints([number], num_processes=2, check_dataset_integrity=False)
    plan_experiments([number])
    preprocess([number], configurations=[CONFIGURATION], num_processes=[2])
    results = _train(Path(str(nnUNet_preprocessed)) / name, n_steps)
    for mirroring in (False, True):
        results[f"predict_{'mirrored' if mirroring else 'plain'}_s"] = _predict(name, to_predict, mirroring=mirroring)
    times.write_text(json.dumps(results))


def _train(folder: Path, n_steps: int) -> dict[str, float]:
    """Steps of the trainer as it plans itself, loading and augmentation included; the first one warms up."""
    plans, dataset = (json.loads((folder / file).read_text()) for file in (f"{PLANS}.json", "dataset.json"))
    plans["continue_training"] = False  # its own command line adds it
    trainer = nnUNetTrainer(plans, CONFIGURATION, 0, dataset, device=torch.device("cpu"))
    trainer.on_train_start()
    trainer.on_epoch_start()
    trainer.on_train_epoch_start()
    trainer.train_step(next(trainer.dataloader_train))
    start = time.perf_counter()
    for _ in range(n_steps):
        trainer.train_step(next(trainer.dataloader_train))
    seconds = time.perf_counter() - start
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    plan = plans["configurations"][CONFIGURATION]
    pixels = n_steps * plan["batch_size"] * plan["patch_size"][0] * plan["patch_size"][1]
    return {"train_s": seconds, "train_pixels": pixels, "batch_size": plan["batch_size"]}


def _predict(name: str, folder: Path, *, mirroring: bool) -> float:
    """Seconds of the command `nnUNetv2_predict`, start of the process included."""
    out = folder.parent / f"predicted-{mirroring}"
    command = [str(Path(sys.executable).parent / "nnUNetv2_predict"), "-i", str(folder), "-o", str(out), "-d", name]
    command += ["-c", CONFIGURATION, "-f", "0", "-device", "cpu", "-npp", "1", "-nps", "1"]
    start = time.perf_counter()
    subprocess.run(command + ([] if mirroring else ["--disable_tta"]), check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    os._exit(0)  # its augmentation workers do not end by themselves
