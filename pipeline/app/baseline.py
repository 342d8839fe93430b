"""The baseline before networks: a random forest of pixels, trained on what a network would be, and judged alike."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from pipeline.app.bundles import apply_overrides, copy_bundle, find_bundle, run_workflow
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.classical.forest import PixelForest
from pipeline.core.files import write_json
from pipeline.core.prepared import PreparedStack
from pipeline.evaluate.compare import read_scores
from pipeline.evaluate.scores import VolumeScore
from pipeline.train.prepared import prepare_stacks

__all__ = ["ForestNetwork", "evaluate_baseline"]

_LEAST_VOTE = 1e-3
"""Of a class that no tree votes for, so that logarithms exist."""


class ForestNetwork(torch.nn.Module):
    """A forest in a network's place: the logarithm of its votes as logits.

    Args:
        forest: fitted.
        n_classes: of the logits; classes that the forest has not met get no vote.
    """

    def __init__(self, forest: PixelForest, n_classes: int) -> None:
        super().__init__()
        self.forest, self.n_classes = forest, n_classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, K, X, Y) -> (N, C, X, Y) float32; of slices with neighbours as channels the middle one counts."""
        slices = images[:, images.shape[1] // 2].cpu().numpy()
        votes = np.zeros((len(slices), self.n_classes, *slices.shape[1:]), dtype=np.float32)
        for place, image in enumerate(slices):
            votes[place, list(self.forest.classes)] = self.forest.predict_probabilities(image)
        return torch.from_numpy(np.log(np.maximum(votes, _LEAST_VOTE))).to(images.device)


def evaluate_baseline(
    data: Path, out: Path, *, overrides: Mapping[str, Any] | None = None, n_trees: int = 100
) -> list[VolumeScore]:
    """Fit a forest to the training patients of a data set, and evaluate it on its validation patients.

    Split, preparation, windows, clean-up and scores are those of the default bundle, so that the evaluation can be
    compared with a network's, patient by patient. The forest is not kept, see `PixelForest`.

    Args:
        data: data set with labels, as for a training.
        out: receives `run.json` with the split, and what `evaluate.evaluation.write_evaluation` writes.
        overrides: id -> value, settings of the bundle, data that is never evaluated.
        n_trees: trees of the forest.

    Returns:
        The scores of the validation patients, each on its file's own grid.

    Raises:
        ConfigError: a setting that does not exist, or a number of trees below 1.
        InputError: the data set cannot be read, or has fewer than two patients.
    """
    forest = PixelForest(n_trees=n_trees, n_jobs=os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as made:
        root = copy_bundle(find_bundle(DEFAULT_BUNDLE), Path(made) / "baseline", overrides)
        parser = ConfigParser(ConfigParser.load_config_files([str(root / "configs" / "train.json")]))
        apply_overrides(parser, {"bundle_root": str(root), "dataset_dir": str(data)})
        training, validation = parser.get_parsed_content("split")
        stacks = prepare_stacks(training, parser.get_parsed_content("train#preprocessing"), cache_dir=root / "cache")
        forest.fit([pair for stack in stacks for pair in _labelled_slices(stack)])
        network = ForestNetwork(forest, int(parser.get_parsed_content("n_classes")))
        record = _write_split(out, training, validation, n_trees)
        run_workflow(
            root,
            config="evaluate",
            run_id="evaluating",
            overrides={
                **{"dataset_dir": str(data), "output_dir": str(out), "cases": str(record)},
                "title": f"random forest of pixels on {data.resolve().name}",
            },
            code={"network": network, "evaluating": ["$@evaluator.run()"]},
        )
    return read_scores(out)


def _labelled_slices(stack: PreparedStack) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images and labels, (X, Y) each, of the slices in which anything is labelled."""
    image = stack.image
    return [(image[place], stack.label[place]) for place in stack.labelled_slices]


def _write_split(
    out: Path, training: Iterable[Mapping[str, Any]], validation: Iterable[Mapping[str, Any]], n_trees: int
) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    sides = {"train": training, "validation": validation}
    split = {side: sorted({case["patient"] for case in cases}) for side, cases in sides.items()}
    record = out / "run.json"
    write_json(record, {"split": split, "settings": {"n_trees": n_trees}})
    return record
