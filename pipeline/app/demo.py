"""The whole way in minutes: phantom studies, a short training, a held-out study segmented through DICOM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.app.bundles import DEFAULT_BUNDLE, copy_bundle, find_bundle, run_workflow
from pipeline.app.predict import Segmenter, segment_path
from pipeline.phantom.dataset import write_dataset

__all__ = ["DEMO_SETTINGS", "compare_with_truth", "run_demo"]

DEMO_SETTINGS: Mapping[str, Any] = {
    "network_def#channels": [16, 32, 64, 128],
    "network_def#strides": [2, 2, 2],
    "window": [160, 160],
    "epochs": 12,
    "val_interval": 4,
}
"""What the demonstration changes of the default bundle: a smaller network and a short training."""


def run_demo(out: Path, *, n_train: int = 16, n_held_out: int = 2) -> str:
    """Train on synthetic patients and segment others, whose truth is known, from their DICOM files.

    Args:
        out: folder for everything.
        n_train: synthetic patients to train on.
        n_held_out: synthetic patients kept aside.

    Returns:
        A table for the terminal: volumes and ejection fraction beside the analytic truth.
    """
    write_dataset(out / "train", n_patients=n_train, layout="nifti", seed=0)
    write_dataset(out / "held_out", n_patients=n_held_out, layout="one_series", seed=1000)
    bundle = copy_bundle(find_bundle(DEFAULT_BUNDLE), out / "bundle", DEMO_SETTINGS)
    run_workflow(bundle, config="train", run_id="training", overrides={"dataset_dir": str(out / "train")})
    segmenter = Segmenter(bundle, out / "segmented")
    results = list(segment_path(segmenter, out / "held_out" / "images"))
    return "\n".join(compare_with_truth(result, out) for result in results)
