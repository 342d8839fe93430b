"""Speed of a training: pixels a second, and what part of the time the device spends on the network.

`python benchmarks/training.py PACK [--steps 60] [--bundle NAME] [--set ID=VALUE ...]` trains so many steps from a pack
by the product's own configuration, every handler attached, and then takes the same steps on one batch that lies ready:
forward pass, loss, backward pass, optimiser. The second over the first is the device's share.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from pipeline.app.bundles import copy_bundle, find_bundle, open_workflow
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.settings import parse_settings

WARM_UP = 10
"""Steps before the clock starts: allocators, cuDNN's choice of kernels, compilation."""


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="ID=VALUE")
    chosen = parser.parse_args()
    settings = parse_settings(chosen.settings)
    with tempfile.TemporaryDirectory() as scratch:
        root = copy_bundle(find_bundle(chosen.bundle), Path(scratch) / "run", settings | {"val_interval": 10**6})
        workflow = open_workflow(root, config="train", run_id="training", overrides={"dataset_dir": str(chosen.pack)})
        measured = measure(workflow.parser.get_parsed_content, n_steps=chosen.steps)
    print(json.dumps(measured, indent=2))


def measure(get: Any, *, n_steps: int) -> dict[str, Any]:
    """Seconds a step of the whole training and of the network alone, by a parsed training configuration's entries."""
    device, trainer = get("device"), get("train#trainer")
    seconds = time_trainer(trainer, device, n_steps)
    bare = time_network(trainer, device, n_steps)
    n_slices, n_pixels = get("batch_size"), get("batch_size") * get("window")[0] * get("window")[1]
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads",
        "slices_a_second": round(n_slices / seconds, 1),
        "megapixels_a_second": round(n_pixels / seconds / 1e6, 3),
        "network_alone_slices_a_second": round(n_slices / bare, 1),
        "share_of_the_device": round(bare / seconds, 3),
    }


def time_trainer(trainer: Engine, device: torch.device, n_steps: int) -> float:
    """Seconds a step, from the end of one to the end of another, `n_steps` later."""
    moments: list[float] = []

    def look(engine: Engine) -> None:
        if engine.state.iteration in (WARM_UP, WARM_UP + n_steps):
            wait_for(device)
            moments.append(time.perf_counter())
        if len(moments) == 2:
            engine.terminate()

    trainer.add_event_handler(Events.ITERATION_COMPLETED, look)
    trainer.state.max_epochs = 10**6
    trainer.run()
    return (moments[1] - moments[0]) / n_steps


def time_network(trainer: Any, device: torch.device, n_steps: int) -> float:
    """Seconds a step on one batch that lies ready."""
    batch = trainer.prepare_batch(next(iter(trainer.data_loader)), device)

    def step() -> None:
        trainer.optimizer.zero_grad()
        trainer.loss_function(trainer.inferer(batch[0], trainer.network), batch[1]).backward()
        trainer.optimizer.step()

    for _ in range(WARM_UP):
        step()
    wait_for(device)
    begun = time.perf_counter()
    for _ in range(n_steps):
        step()
    wait_for(device)
    return (time.perf_counter() - begun) / n_steps


def wait_for(device: torch.device) -> None:
    """Let a GPU finish what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
