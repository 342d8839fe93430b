"""Segments studies with a bundle: its own inference configuration, one case at a time, so that a bad one ends alone.

The bundle writes the label map and measures it; `app.results` adds what belongs to the study: DICOM objects, a report.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from pipeline.app.bundles import apply_overrides, find_bundle
from pipeline.app.choices import Choices
from pipeline.app.folders import claim_folder, find_folder, owner_of
from pipeline.app.identity import with_pseudonym, without_paths
from pipeline.app.results import (
    MEASUREMENTS,
    clear_results,
    labels_digest,
    software_versions,
    write_measurements,
    write_results,
    write_source,
)
from pipeline.core.errors import ConfigError, PipelineError, own_error
from pipeline.core.versions import require
from pipeline.measure.measurements import PhaseChoice
from pipeline.read.cine import read_cine
from pipeline.read.discover import Case, find_cases
from pipeline.train.checkpoints import load_weights

__all__ = ["CaseResult", "Segmenter", "segment_path"]

_log = logging.getLogger(__name__)
_SETTINGS = ("spacing_mm", "n4", "normalisation", "window", "turns_deg", "focus", "crf", "clean_up", "keep_largest")
"""Entries of the configuration that results depend on, recorded with them."""


@dataclass(frozen=True)
class CaseResult:
    """What became of one case.

    Attributes:
        name: of its folder below the output folder: the case's, and some digits where another study has that.
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
        output_dir: receives a folder a case: `segmentation.nii.gz`, `measurements.json` and what `app.results` adds.
        device: torch device; `None` takes what the bundle chooses.
        series_uid: read this series instead of the one that looks like the short-axis stack.
        choices: what the user asks for beyond that.
        secret: of pseudonyms, which then stand for the patients in folder names and DICOM objects.

    Raises:
        BundleError: no such bundle, no weights, or a bundle for another version.
        ConfigError: an empty secret, a pseudonym for patients who are to be named, or phases for a bundle that takes
            none.
    """

    def __init__(
        self,
        bundle: str,
        output_dir: Path,
        *,
        device: str | None = None,
        series_uid: str | None = None,
        choices: Choices | None = None,
        secret: str | None = None,
    ) -> None:
        if secret is not None and not secret.strip():
            raise ConfigError("a pseudonym needs a secret that is not empty, or anybody could try all IDs")
        if secret is not None and choices is not None and choices.identify:
            raise ConfigError("a patient can have a pseudonym or be named, not both")
        root = find_bundle(bundle)
        self.choices, self.secret, self.series_uid = choices or Choices(), secret, series_uid
        parser = ConfigParser(ConfigParser.load_config_files([str(root / "configs" / "inference.json")]))
        settings = {"bundle_root": str(root), "output_dir": str(output_dir), "series_uid": series_uid}
        if device is not None:
            settings["device"] = device
        apply_overrides(parser, settings | _given_phases(self.choices.phases))
        require(parser.get_parsed_content("library_version"))
        self.output_dir = Path(output_dir)
        self.device = parser.get_parsed_content("device")
        weights = parser.get_parsed_content("weights")
        load_weights(parser.get_parsed_content("network_def"), weights, bundle_root=root)
        self.network = parser.get_parsed_content("network").eval()
        self.preprocessing = parser.get_parsed_content("preprocessing")
        self.inferer = parser.get_parsed_content("inferer")
        self.postprocessing = parser.get_parsed_content("postprocessing")
        self.to_own_grid = parser.get_parsed_content("invert_transforms#0")
        self.n_classes = int(parser.get_parsed_content("n_classes"))
        self.provenance = {
            "software": software_versions(),
            "bundle": _bundle_record(root, Path(weights)),
            "settings": {key: parser[key] for key in _SETTINGS if key in parser},
        }

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

    def under_its_name(self, case: Case) -> tuple[Case, str | None]:
        """The case as its results are to be called, and the patient's pseudonym where there is to be one.

        Raises:
            ConfigError: a pseudonym is asked for, and there is no PatientID to replace.
        """
        return (case, None) if self.secret is None else with_pseudonym(case, secret=self.secret)

    def segment(self, case: Case) -> CaseResult:
        """Segment and measure one case, and write its files.

        Raises:
            PipelineError: the case cannot be used; the message says why.
        """
        case, pseudonym = self.under_its_name(case)
        choices = replace(self.choices, pseudonym=pseudonym)
        self._clear(case)
        files = [str(file) for file in case.files]
        item = self.preprocessing({"image": files})
        with torch.inference_mode():
            item["pred"] = self.inferer(item["image"][None].to(self.device), self.network)[0].cpu()
        folder = claim_folder(self.output_dir, case)  # not sooner: a case that cannot be read leaves no folder
        labels = self.postprocessing(item | {"case": folder.name})["pred"].numpy()
        path = folder / MEASUREMENTS
        if not path.is_file():
            return CaseResult(folder.name, folder)
        measured = json.loads(path.read_text(encoding="utf-8"))
        measured |= {"case": folder.name, "corrected": False, **self.provenance}
        source = {"files": files if pseudonym is None else [], "series_uid": self.series_uid, "pseudonym": pseudonym}
        write_source(folder, {"identity": case.identity, **source, "labels_sha256": labels_digest(labels)})
        if not choices.objects:
            return CaseResult(folder.name, folder, write_measurements(folder, measured))
        with _quiet_reader():  # it has told all when the bundle read the same files
            cine = read_cine(files, series_uid=self.series_uid)
        return CaseResult(folder.name, folder, write_results(folder, cine, labels, measured, choices))

    def _clear(self, case: Case) -> None:
        """Remove what an earlier run left of this very study: what is there afterwards belongs to this run."""
        folder = find_folder(self.output_dir, case)
        if owner_of(folder) == case.identity:
            clear_results(folder)
            (folder / MEASUREMENTS).unlink(missing_ok=True)


def segment_path(segmenter: Segmenter, path: Path) -> Iterator[CaseResult]:
    """Segment every case found at a path; a case that fails is reported in its result, and the rest go on.

    Under a pseudonym the result's sentence names no file, for it goes into the worklist; the log's does.

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
            folder, sentence = _folder_of_failed(segmenter, case), _sentence(error)
            _log.error("%s: %s", folder.name, sentence)
            kept = sentence if segmenter.secret is None else without_paths(sentence, case.files)
            yield CaseResult(folder.name, folder, error=kept)


def _folder_of_failed(segmenter: Segmenter, case: Case) -> Path:
    """The case's folder; where it should have had a pseudonym and none could be made, one whose name tells nothing."""
    try:
        return find_folder(segmenter.output_dir, segmenter.under_its_name(case)[0])
    except PipelineError:
        return segmenter.output_dir / "unnamed"


@contextmanager
def _quiet_reader() -> Iterator[None]:
    logger = logging.getLogger("pipeline.read")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _given_phases(choice: PhaseChoice) -> dict[str, Any]:
    """What the user gave, as entries of the configuration: a bundle that lacks them refuses it."""
    given = {"ed_phase": choice.ed, "es_phase": choice.es}
    given_method = {} if choice.bsa_method == PhaseChoice().bsa_method else {"bsa_method": choice.bsa_method}
    return {key: value for key, value in given.items() if value is not None} | given_method


def _bundle_record(root: Path, weights: Path) -> dict[str, str | None]:
    """Name and version of a bundle, and the digest of its weights where they are one file."""
    metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else None
    return {"name": root.resolve().name, "version": str(metadata["version"]), "weights_sha256": digest}


def _sentence(error: Exception) -> str:
    """The message meant for the user: of our own error where there is one."""
    return str(own_error(error) or f"{type(error).__name__}: {error}".splitlines()[0])
