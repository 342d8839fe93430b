"""Speed of the shipped networks as ratios measured side by side in one run: `make bench`.

Machines are shared and noisy, so each pair is timed alternately and the median of each is compared.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from monai.bundle import ConfigParser

from pipeline.app.bundles import BUNDLES
from pipeline.train.inferers import AutocastInferer

REPEATS = 5
BATCH, SIZE = 8, 192


def main() -> None:
    """Print the table and write it as JSON where a path is given."""
    rows = [row for bundle in sorted(BUNDLES.iterdir()) for row in _network_rows(bundle)]
    for row in rows:
        print(
            f"{row['bundle']:40s} {row['what']:10s} fp32 {row['plain_s']:.3f} s, "
            f"shipped {row['shipped_s']:.3f} s: {row['ratio']:.2f}x"
        )
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(rows, indent=2) + "\n")


def _network_rows(bundle: Path) -> list[dict[str, object]]:
    """Plain float32 against what the bundle does (bfloat16 where native, channels_last), on one network's weights."""
    rows = []
    images = torch.randn(BATCH, 1, SIZE, SIZE)
    for what, step in (("train step", _train_step), ("inference", _forward)):
        shipped = _network(bundle).to(memory_format=torch.channels_last)
        plain = _network(bundle)
        times = _alternate(
            partial(step, plain, images, AutocastInferer(amp=False)), partial(step, shipped, images, AutocastInferer())
        )
        rows.append(
            {
                "bundle": bundle.name,
                "what": what,
                "plain_s": times[0],
                "shipped_s": times[1],
                "ratio": times[0] / times[1],
            }
        )
    return rows


def _network(bundle: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    parser = ConfigParser(ConfigParser.load_config_files([str(bundle / "configs" / "inference.json")]))
    return parser.get_parsed_content("network_def")


def _train_step(network: torch.nn.Module, images: torch.Tensor, inferer: AutocastInferer) -> None:
    network.train()
    inferer(images, network).square().mean().backward()
    network.zero_grad(set_to_none=True)


def _forward(network: torch.nn.Module, images: torch.Tensor, inferer: AutocastInferer) -> None:
    network.eval()
    with torch.inference_mode():
        inferer(images, network)


def _alternate(*steps: Callable[[], None]) -> list[float]:
    """Median seconds of each step, timed in turn so that a busy machine hits all alike; the first round warms up."""
    times: list[list[float]] = [[] for _ in steps]
    for repeat in range(REPEATS + 1):
        for taken, step in zip(times, steps, strict=True):
            start = time.perf_counter()
            step()
            if repeat:
                taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


if __name__ == "__main__":
    main()
