"""Speed, as ratios measured side by side in one run: `make bench`.

    python benchmarks/bench.py [RESULTS.json] [--bundle FOLDER_OR_NAME]

Machines are shared and noisy, so each pair is timed alternately and the median of each is compared. With `CMR_DATA`
set, reading and bias correction are measured on a Sunnybrook study, else on a synthetic one. Whole studies need a
bundle with weights.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from steps import bias_row, command_row, long_cine_row, reading_row, step_rows, study_folder

from pipeline.app.bundles import find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.core.shipped import BUNDLES
from pipeline.infer.precision import AutocastInferer
from pipeline.networks.deeplab import DeepLabV3

REPEATS = 5
BATCH, SIZE = 8, 192


def main() -> None:
    """Print the table and write it as JSON where a path is given."""
    options = argparse.ArgumentParser()
    options.add_argument("results", nargs="?", type=Path)
    options.add_argument("--bundle", default=DEFAULT_BUNDLE)
    chosen = options.parse_args()
    shipped = [weights.parents[1] for weights in sorted(BUNDLES.glob("*/models/model.pt"))]
    rows = [_study_row(), *(row for bundle in shipped for row in _network_rows(bundle))]
    with tempfile.TemporaryDirectory() as scratch:
        study = study_folder(Path(scratch))
        rows += [reading_row(study, _alternate), bias_row(study, _alternate)]
        if (find_bundle(chosen.bundle) / "models" / "model.pt").is_file():
            rows += [command_row(chosen.bundle, study), *step_rows(chosen.bundle, study)]
            rows.append(long_cine_row(chosen.bundle, Path(scratch)))
    for row in rows:
        print(_line(row))
    if chosen.results:
        chosen.results.write_text(json.dumps(rows, indent=2) + "\n")


def _line(row: dict[str, object]) -> str:
    """`what: ours (ratio against other)` and whatever else the row says."""
    known = {"what", "against", "ours_s", "other_s", "ratio"}
    text = f"{row['what']:<55s}{row['ours_s']:9.3f} s"
    if "ratio" in row:
        text += f"   {row['ratio']:6.2f}x as fast as {row['against']} ({row['other_s']:.3f} s)"
    rest = [f"{key} {value:.4g}" for key, value in row.items() if key not in known and isinstance(value, float | int)]
    return "   ".join([text, *rest])


def _study_row() -> dict[str, object]:
    """The 2017 study's step: DeepLab v3 on a ResNet-101, output stride 16, two images of 450 x 450, SGD."""
    images = torch.randn(2, 1, 450, 450)
    steps = []
    for amp, optimiser in ((False, {}), (True, {"fused": True})):
        torch.manual_seed(0)
        network = DeepLabV3(1, 4, backbone="resnet101", output_stride=16)
        if amp:
            network = network.to(memory_format=torch.channels_last)
        sgd = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, **optimiser)
        steps.append(partial(_train_step, network, images, AutocastInferer(amp=amp), sgd))
    other, ours = _alternate(*steps, repeats=3)
    what = "2017 study, train step (ResNet-101, 2 x 450 x 450)"
    return {"what": what, "against": "float32", "other_s": other, "ours_s": ours, "ratio": other / ours}


def _network_rows(bundle: Path) -> list[dict[str, object]]:
    """Plain float32 against what the bundle does (bfloat16 where native, channels_last), on one network's weights."""
    rows = []
    images = torch.randn(BATCH, 1, SIZE, SIZE)
    for what, step in (("train step", _train_step), ("inference", _forward)):
        shipped = _network(bundle).to(memory_format=torch.channels_last)
        plain = _network(bundle)
        other, ours = _alternate(
            partial(step, plain, images, AutocastInferer(amp=False)), partial(step, shipped, images, AutocastInferer())
        )
        what = f"{bundle.name}, {what}"
        rows.append({"what": what, "against": "float32", "other_s": other, "ours_s": ours, "ratio": other / ours})
    return rows


def _network(bundle: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    parser = ConfigParser(ConfigParser.load_config_files([str(bundle / "configs" / "inference.json")]))
    return parser.get_parsed_content("network_def")


def _train_step(
    network: torch.nn.Module,
    images: torch.Tensor,
    inferer: AutocastInferer,
    optimiser: torch.optim.Optimizer | None = None,
) -> None:
    network.train()
    inferer(images, network).square().mean().backward()
    if optimiser is not None:
        optimiser.step()
    network.zero_grad(set_to_none=True)


def _forward(network: torch.nn.Module, images: torch.Tensor, inferer: AutocastInferer) -> None:
    network.eval()
    with torch.inference_mode():
        inferer(images, network)


def _alternate(*steps: Callable[[], None], repeats: int = REPEATS) -> list[float]:
    """Median seconds of each step, timed in turn so that a busy machine hits all alike; the first round warms up."""
    times: list[list[float]] = [[] for _ in steps]
    for repeat in range(repeats + 1):
        for taken, step in zip(times, steps, strict=True):
            start = time.perf_counter()
            step()
            if repeat:
                taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


if __name__ == "__main__":
    main()
