"""Segments studies with a bundle: its own inference configuration, one case at a time, so that a bad one ends alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from pipeline.app.bundles import apply_overrides, find_bundle
from pipeline.core.errors import own_error
from pipeline.core.versions import require
from pipeline.read.discover import Case, find_cases
from pipeline.train.checkpoints import load_weights

__all__ = ["CaseResult", "Segmenter", "segment_path"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaseResult:
    """What became of one case.

    Attributes:
        name: the case's name, also its folder below the output folder.
        folder: where its files lie.
        measurements: the content of `measurements.json`; `None` when the case failed, or the bundle writes none.
        error: one sentence that says why the case failed; `None` when it did not.
    """

    name: str
    folder: Path
    measurements: dict[str, Any] | None = None
    error: str | None = None


class Segmenter:
    """A bundle, loaded once, applied to case after case.

    Args:
        bundle: name or folder of the bundle.
        output_dir: receives `<case>/segmentation.nii.gz` and `<case>/measurements.json`.
        device: torch device; `None` takes what the bundle chooses.
        series_uid: read this series instead of the one that looks like the short-axis stack.

    Raises:
        BundleError: no such bundle, no weights, or a bundle for another version.
    """

    def __init__(
        self, bundle: str, output_dir: Path, *, device: str | None = None, series_uid: str | None = None
    ) -> None:
        root = find_bundle(bundle)
        parser = ConfigParser(ConfigParser.load_config_files([str(root / "configs" / "inference.json")]))
        choices = {"bundle_root": str(root), "output_dir": str(output_dir), "series_uid": series_uid}
        if device is not None:
            choices["device"] = f"$torch.device('{torch.device(device)}')"
        apply_overrides(parser, choices)
        require(parser.get_parsed_content("library_version"))
        self.output_dir = Path(output_dir)
        self.device = parser.get_parsed_content("device")
        weights = parser.get_parsed_content("weights")
        load_weights(parser.get_parsed_content("network_def"), weights, bundle_root=root)
        self.network = parser.get_parsed_content("network").eval()
        self.preprocessing = parser.get_parsed_content("preprocessing")
        self.inferer = parser.get_parsed_content("inferer")
        self.postprocessing = parser.get_parsed_content("postprocessing")
        self.to_own_grid = parser.get_parsed_content("restore_transforms#0")
        self.n_classes = int(parser.get_parsed_content("n_classes"))

    def probabilities(self, source: list[str] | str) -> tuple[np.ndarray, np.ndarray]:
        """What the network takes each voxel for, on the file's own grid.

        Returns:
            (T, C, X, Y, Z) float32, sums over C are 1; and the affine (4, 4), voxel index to RAS+ mm.
        """
        item = self.preprocessing({"image": source})
        with torch.inference_mode():
            item["pred"] = self.inferer(item["image"][None].to(self.device), self.network)[0].cpu()
        logits = self.to_own_grid(item)["pred"]
        classes = logits.as_tensor().unflatten(0, (-1, self.n_classes)).softmax(dim=1)
        return classes.numpy(), logits.affine.cpu().numpy()

    def segment(self, case: Case) -> CaseResult:
        """Segment and measure one case, and write its files.

        Raises:
            PipelineError: the case cannot be used; the message says why.
        """
        folder = self.output_dir / case.name
        measured = folder / "measurements.json"
        measured.unlink(missing_ok=True)  # of an earlier run: what is there afterwards belongs to this one
        item = self.preprocessing({"image": [str(file) for file in case.files], "case": case.name})
        with torch.inference_mode():
            item["pred"] = self.inferer(item["image"][None].to(self.device), self.network)[0].cpu()
        self.postprocessing(item)
        return CaseResult(case.name, folder, json.loads(measured.read_text()) if measured.is_file() else None)


def segment_path(segmenter: Segmenter, path: Path) -> Iterator[CaseResult]:
    """Segment every case found at a path; a case that fails is reported in its result, and the rest go on.

    Args:
        segmenter: the loaded bundle.
        path: DICOM file or folder, NIfTI file, or a folder of either.

    Raises:
        InputError: nothing at `path` is an image.
    """
    for case in find_cases(path):
        try:
            yield segmenter.segment(case)
        except Exception as error:
            sentence = _sentence(error)
            _log.error("%s: %s", case.name, sentence)
            yield CaseResult(case.name, segmenter.output_dir / case.name, error=sentence)


def _sentence(error: Exception) -> str:
    """The message meant for the user: of our own error where there is one."""
    return str(own_error(error) or f"{type(error).__name__}: {error}".splitlines()[0])
