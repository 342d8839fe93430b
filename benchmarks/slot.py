"""A cross-validation in one slot of a machine's time, as of a GPU that is at hand for minutes.

`python benchmarks/slot.py PACK OUT --minutes 8 [--folds 5] [--steps 200] [--set ID=VALUE ...]` runs on a machine that
has torch and little else; the pack holds all that it needs of the data. It leaves in OUT the folds' weights
in half precision (`fold0.pt` ...), the speed of a step (`speed.json`), and records, predictions and tables
(`results.zip`).
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import zipfile
from pathlib import Path

import torch
from training import measure

from pipeline.app.bundles import copy_bundle, find_bundle, open_workflow
from pipeline.app.crossvalidation import Training, cross_validate
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.settings import parse_settings
from pipeline.evaluate.scores import summarise

USUAL = {"deterministic": False, "val_interval": 50, "patience": 10**6, "epochs": 400}
"""Settings of a slot: cuDNN's fastest kernels, few validations, and time alone ends it."""


def main() -> None:
    """Measure a step's speed, train the folds, collect what they leave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="ID=VALUE")
    chosen = parser.parse_args()
    settings = USUAL | parse_settings(chosen.settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    chosen.out.mkdir(parents=True, exist_ok=True)
    bundle = find_bundle(chosen.bundle)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        if chosen.steps:
            speed = time_step(bundle, chosen.pack, work / "speed", settings, n_steps=chosen.steps)
            (chosen.out / "speed.json").write_text(json.dumps(speed, indent=2))
            print(json.dumps(speed), flush=True)
        try:
            training = Training(bundle, chosen.pack, settings)
            scores = cross_validate(training, work / "folds", n_folds=chosen.folds, minutes=chosen.minutes)
            print(*(json.dumps(row) for row in summarise(scores)), sep="\n", flush=True)
        finally:  # whatever is finished is worth having
            collect(work / "folds", chosen.out)


def time_step(bundle: Path, pack: Path, root: Path, settings: dict[str, object], *, n_steps: int) -> dict[str, object]:
    """Speed of a training with these settings, see `training.measure`."""
    copy_bundle(bundle, root, settings | {"val_interval": 10**6})
    workflow = open_workflow(root, config="train", run_id="training", overrides={"dataset_dir": str(pack)})
    return measure(workflow.parser.get_parsed_content, n_steps=n_steps)


def collect(folds: Path, out: Path) -> None:
    """Half-precision weights one by one, everything small in one archive."""
    for weights in sorted(folds.glob("fold*/models/model.pt")):
        states = torch.load(weights, map_location="cpu", weights_only=True)
        halved = {key: value.half() if value.is_floating_point() else value for key, value in states.items()}
        torch.save(halved, out / f"{weights.parent.parent.name}.pt")
    small = [
        path
        for pattern in ("*.csv", "*.json", "*.html", "fold*/eval/*.json", "fold*/eval/*.npz", "fold*/configs/*")
        for path in sorted(folds.glob(pattern))
    ]
    with zipfile.ZipFile(out / "results.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in small:
            archive.write(path, path.relative_to(folds))


if __name__ == "__main__":
    main()
