"""The 2017 heart-MRI study again, on ACDC: both DeepLabs by its protocol and by today's recipe, one budget for all.

    python benchmarks/study.py ACDC OUT [--iterations 2000] [--only NAME ...] [--cases RUN_JSON]

The networks are the study's on a ResNet-18 at output stride 8, slices have half its pixels along an axis and crops half
of a slice, so that a run takes a fraction of an hour; `fine_v3` goes on from today's v3 with finer pixels, `turned_v3`
is the same averaged over turns of the image. Beside them the two bundles with weights. All are measured by the study's
table over the validation patients' pixels, on each file's own grid: class 0 is the ring (myocardium), class 1 the rest.
What is done is kept and not done again. The table goes to the screen and to OUT/study.md;
OUT/<name>/evaluation/evaluation.html has the best, the median and the worst volume as pictures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.app.bundles import find_bundle, run_workflow
from pipeline.core.shipped import CONFIGS

BATCH = 4
SLICES_A_MODERN_EPOCH = 1500
"""About what ACDC's training side holds; the modern runs' iterations are made up to whole epochs of it."""

SMALLER = {"network_def#backbone": "resnet18", "batch_size": BATCH, "val_interval": 2}
STUDY = SMALLER | {"resized_to": [257, 257, -1], "window": [257, 257], "crop": [129, 129]}
"""What is smaller than in 2017."""
STUDY_RATES = {"v2": 5e-4, "v3": 5e-3}
"""Higher than in 2017, since the iterations are fewer. At v3's rate v2, whose loss is the sum over four outputs and
whose head is four branches without normalisation, stays worse than a network that finds no ring at all."""
MODERN = SMALLER | {"spacing_mm": [1.5, 1.5, -1], "window": [144, 144], "learning_rate": 1e-3, "average_decay": 0.98}
FINE = MODERN | {"spacing_mm": [1.0, 1.0, -1], "window": [160, 160], "learning_rate": 5e-4, "average_decay": 0.99}
"""After `MODERN`, from its weights: what v3 itself reaches with finer pixels and a longer training."""
TURNED = "turned_v3"
TURNS_DEG = [0.0, -15.0, 15.0]
"""`fine_v3` once more, its probabilities averaged over turns of the image."""
V3 = {"network_def#output_stride": 8}
"""DeepLab v2's own; half of the study's 16 at half of its pixels: a feature covers the same millimetres."""
SHIPPED = ("ventricles_mr_segmentation_deeplabv3plus", "ventricles_mr_segmentation_unet")

COLUMNS = {
    "mean IoU": ("mean_iou",),
    "mean Dice": ("mean_dice",),
    "mean acc": ("mean_accuracy",),
    "fw acc": ("frequency_weighted_iou",),
    "overall acc": ("pixel_accuracy",),
    "IoU ring / rest": ("iou_ring", "iou_rest"),
    "Dice ring / rest": ("dice_ring", "dice_rest"),
}
PUBLISHED = {
    "the study, DeepLab v2": ("0.69", "0.78", "0.77", "0.98", "0.99", "0.39 / 0.99", "0.56 / 0.99"),
    "the study, DeepLab v3": ("0.72", "0.81", "0.90", "0.98", "0.99", "0.46 / 0.99", "0.63 / 0.99"),
}
RING = "$pipeline.parts.pixel_metrics({'ring': [2], 'rest': [0, 1, 3]}, key='mean_iou')"


def main() -> None:
    """Train and measure what is missing, and print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("out", type=Path)
    options.add_argument("--iterations", type=int, default=2000)
    options.add_argument("--cases", type=Path, help="a training's run.json: who was kept aside [that of a run in OUT]")
    runs = ("protocol_v2", "protocol_v3", "modern_v2", "modern_v3", "fine_v3", TURNED, *SHIPPED)
    options.add_argument("--only", nargs="+", choices=runs, default=runs)
    chosen = options.parse_args()
    for name in chosen.only:
        metrics = chosen.out / name / "evaluation" / "metrics.json"
        if not metrics.is_file():
            bundle = _bundle(name, chosen.data, chosen.out, iterations=chosen.iterations)
            turns_deg = TURNS_DEG if name == TURNED else [0.0]
            cases = chosen.cases or _split(chosen.out)
            evaluate(bundle, chosen.data, metrics.parent, cases=cases, turns_deg=turns_deg)
    rows = [_line(["", *COLUMNS]), _line(["---"] * (len(COLUMNS) + 1))]
    rows += [_line([name, *cells]) for name, cells in PUBLISHED.items()]
    rows += [_row(name, path) for name in runs if (path := chosen.out / name / "evaluation" / "metrics.json").is_file()]
    table = "\n".join(rows) + "\n"
    (chosen.out / "study.md").write_text(table, encoding="utf-8")
    print(table)


def _bundle(name: str, data: Path, out: Path, *, iterations: int) -> str:
    """What is measured under a name, trained now if it is not one of those with weights."""
    if name in SHIPPED:
        return name
    return train("fine_v3" if name == TURNED else name, data, out, iterations=iterations)


def train(name: str, data: Path, out: Path, *, iterations: int) -> str:
    """Train by the very command that users have; a run that was stopped goes on."""
    recipe, version = name.split("_")
    settings: dict[str, Any] = {"cache_dir": str(out / f"cache_{recipe}")}
    if recipe == "protocol":
        plan = CONFIGS / "study" / "protocol" / f"deeplab{version}.yaml"
        arguments = ["--bundle", f"heart_mr_contour_segmentation_deeplab{version}", "--plan", str(plan)]
        settings |= STUDY | {"iterations": iterations, "learning_rate": STUDY_RATES[version]}
        if version == "v3":
            settings["lr_scheduler#n_constant"] = iterations * 15 // 25
    else:
        arguments = ["--network", f"deeplab{version}"]
        settings |= MODERN if recipe == "modern" else FINE | {"pretrained": f"{out}/modern_{version}/models/model.pt"}
        settings["epochs"] = max(1, round(iterations * BATCH / SLICES_A_MODERN_EPOCH))
    if version == "v3":
        settings |= V3
    run = out / name
    resume = ["--resume"] if (run / "eval" / "last.pt").is_file() else []
    _cmr_train("--data", data, "--out", run, *arguments, *resume, settings=settings)
    return str(run)


def evaluate(bundle: str, data: Path, out: Path, *, cases: Path, turns_deg: Sequence[float]) -> None:
    """Measure a bundle on the validation patients by the study's table."""
    settings = {"dataset_dir": str(data), "output_dir": str(out), "cases": str(cases), "turns_deg": turns_deg}
    code = {"metrics": RING}  # an expression, which `cmr evaluate` takes from nobody
    run_workflow(find_bundle(bundle), config="evaluate", run_id="evaluating", overrides=settings, code=code)


def _split(out: Path) -> Path:
    """A run's own record of who was kept aside: the same patients in all, by the same seed."""
    for record in sorted(out.glob("*/eval/run.json")):
        return record
    raise SystemExit("a trained run's split is needed to measure the shipped bundles; name it by --cases")


def _cmr_train(*arguments: object, settings: Mapping[str, Any]) -> None:
    parts = [part for key, value in settings.items() for part in ("--set", f"{key}={_text(value)}")]
    done = subprocess.run([sys.executable, "-m", "pipeline", "train", *map(str, arguments), *parts], check=False)
    if done.returncode:
        raise SystemExit("`cmr train` failed")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _row(name: str, metrics: Path) -> str:
    found = json.loads(metrics.read_text(encoding="utf-8"))
    return _line([f"`{name}`", *(" / ".join(f"{found[key]:.3f}" for key in keys) for keys in COLUMNS.values())])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
