"""Every network that `cmr networks` lists, after one small training each: `make zoo DATA=...`.

    python benchmarks/zoo.py ACDC OUT [--epochs 1] [--only NAME ...] [--facts-only]

Same split, same recipe, same budget (one pass; pixels of 2 mm, windows of 96, batches of 4 slices, or of one stack of
8); only the network differs. The cheapest come first. What is done is kept in OUT/<name>/zoo.json and not done again,
so a run that was stopped goes on. The table goes to the screen and to OUT/zoo.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.infer.precision import AutocastInferer
from pipeline.networks.field_of_view import field_of_view
from pipeline.networks.mask_rcnn import MaskRCNN
from pipeline.networks.memory import fastest_format
from pipeline.networks.registry import NETWORKS, build_network

SIZE = 256
VIEWED = 16384  # pixels along X of the image that fields of view are worked out in: more than any but the boundless
TIMED_BATCH = 8  # slices, or one stack of them
TRAINED_BATCH = 4  # the more steps in a budget this small
TRAINED_STACKS = 1
COLUMNS = ("network", "million parameters", "GFLOPs", "field of view", "ms a slice", "Dice", "IoU")


def main() -> None:
    """Measure what is missing and print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("out", type=Path)
    options.add_argument("--epochs", type=int, default=1)
    options.add_argument("--only", nargs="+", choices=sorted(NETWORKS), default=list(NETWORKS))
    options.add_argument("--facts-only", action="store_true", help="no training")
    chosen = options.parse_args()
    records = [_facts(chosen.out / name, name) for name in chosen.only]
    for record in sorted(records, key=lambda one: float(one["gflops"])):
        name = record["network"]
        if not chosen.facts_only and record.get("epochs") != chosen.epochs:
            record |= train(name, chosen.data, chosen.out, epochs=chosen.epochs)
            _write(chosen.out / name, record)
        print(_row(record), flush=True)
        _write_table(chosen.out)


def _facts(folder: Path, name: str) -> dict[str, Any]:
    record = _read(folder) or network_facts(name)
    _write(folder, record)
    return record


def network_facts(name: str) -> dict[str, Any]:
    """Size, arithmetic, field of view and speed of an untrained network of one input channel and four classes."""
    torch.manual_seed(0)
    network = build_network(name, 1, 4).eval()
    with FlopCounterMode(display=False) as counter, torch.device("meta"), torch.inference_mode():
        build_network(name, 1, 4).eval()(_slices(name))
    return {
        "network": name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "gflops": counter.get_total_flops() / TIMED_BATCH / 1e9,
        "field_of_view": _field_of_view(network, name),
        "ms_a_slice": _ms_a_slice(network, name),
    }


def train(name: str, data: Path, out: Path, *, epochs: int) -> dict[str, Any]:
    """Train by the very command that users have, and read its last validation; a run that was stopped goes on.

    Raises:
        SystemExit: the command failed.
    """
    batch = TRAINED_STACKS if NETWORKS[name].in_3d else TRAINED_BATCH
    settings = [f"epochs={epochs}", f"val_interval={epochs}", f"batch_size={batch}", "learning_rate=0.001"]
    settings += ["spacing_mm=[2.0,2.0,-1]", "window=[96,96]", f"cache_dir={out / 'cache'}"]
    settings.append("average_decay=0.95")  # a longer memory would still hold the untrained weights
    run = out / name / "run"
    command = [sys.executable, "-m", "pipeline", "train", "--data", data, "--out", run, "--network", name]
    command += ["--resume"] if (run / "eval" / "run.json").is_file() else []
    start = time.perf_counter()
    done = subprocess.run([*map(str, command), *(part for s in settings for part in ("--set", s))], check=False)
    if done.returncode:
        raise SystemExit(f"training of {name} failed")
    minutes = (time.perf_counter() - start) / 60
    for weights in run.rglob("*.pt"):
        weights.unlink()  # the numbers stay; weights of a training this short serve nobody
    return {"epochs": epochs, "minutes": minutes, **json.loads((run / "eval" / "validation.json").read_text())}


def _slices(name: str) -> torch.Tensor:
    """What a network is measured with: `TIMED_BATCH` slices, (N, 1, X, Y), for those in 3D in one stack."""
    slices = torch.randn(TIMED_BATCH, 1, SIZE, SIZE)
    return slices.permute(1, 2, 3, 0).unsqueeze(0) if NETWORKS[name].in_3d else slices


def _field_of_view(network: torch.nn.Module, name: str) -> int:
    """Pixels along X that the middle pixel's logits can depend on, `VIEWED` where that is all; 0 of a detector's."""
    if isinstance(network, MaskRCNN):
        return 0
    return field_of_view(network, (1, 1, VIEWED, 96, 8) if NETWORKS[name].in_3d else (1, 1, VIEWED, 96))


def _ms_a_slice(network: torch.nn.Module, name: str, repeats: int = 3) -> float:
    """Median time of inference in the bundles' number format and memory layout, after one run to warm up."""
    layout = fastest_format(network, torch.device("cpu"), trains=False)
    network, images = network.to(memory_format=layout), _slices(name).to(memory_format=layout)
    times = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            AutocastInferer()(images, network)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:]) / TIMED_BATCH


def _row(record: dict[str, Any]) -> str:
    field = record["field_of_view"]
    scores = [f"{record[key]:.3f}" if record.get(key) is not None else "" for key in ("dice_mean", "iou_mean")]
    cells = [
        f"`{record['network']}`",
        f"{record['parameters'] / 1e6:.2f}",
        f"{record['gflops']:.1f}",
        {0: "regions", VIEWED: "all"}.get(field, str(field)),
        f"{record['ms_a_slice']:.0f}",
        *scores,
    ]
    return _line(cells)


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _write_table(out: Path) -> None:
    rows = [_row(record) for name in NETWORKS if (record := _read(out / name))]
    table = "\n".join([_line(COLUMNS), _line(["---"] * len(COLUMNS)), *rows]) + "\n"
    (out / "zoo.md").write_text(table, encoding="utf-8")


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "zoo.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _write(folder: Path, record: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zoo.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
