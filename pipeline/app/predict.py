"""Segments studies with a bundle, one at a time, so that a bad one ends alone: read, segment, measure, write."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose

from pipeline.app.bundles import apply_overrides, find_bundle
from pipeline.app.choices import Choices
from pipeline.app.folders import find_folder, write_whole
from pipeline.app.identity import with_pseudonym, without_paths
from pipeline.app.preparation import describe_inference, plain_settings
from pipeline.app.results import labels_digest, software_versions, write_case, write_labels, write_source
from pipeline.core.case import BundleRecord, Case, Provenance
from pipeline.core.errors import ConfigError, PipelineError, own_error
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements
from pipeline.core.versions import require
from pipeline.infer.weights import load_weights
from pipeline.measure.measurements import PhaseChoice
from pipeline.measure.study import measure_study
from pipeline.prepare.description import description_digest
from pipeline.read.cine import Source, read_cine
from pipeline.read.discover import CaseFiles, find_cases

__all__ = ["CaseResult", "Segmentation", "Segmenter", "segment_path"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a network says of a cine.

    Attributes:
        labels: (T, X, Y, Z) uint8 on the cine's own grid.
        confidence: (T, structures) expected Dice, NaN where a structure is absent; `None` where the bundle estimates
            none.
    """

    labels: np.ndarray
    confidence: np.ndarray | None


@dataclass(frozen=True)
class CaseResult:
    """What became of one case.

    Attributes:
        name: of its folder below the output folder: the case's, and some digits where another study has that.
        folder: where its files lie.
        measurements: what was measured; `None` when the case failed, or the bundle measures nothing.
        record: the content of `measurements.json`, likewise.
        error: one sentence that says why the case failed; `None` when it did not.
    """

    name: str
    folder: Path
    measurements: Measurements | None = None
    record: dict[str, Any] | None = None
    error: str | None = None


class Segmenter:
    """A bundle, loaded once, applied to case after case.

    Args:
        bundle: name or folder of the bundle.
        output_dir: receives a folder a case with what `app.results.write_case` writes.
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
        self.to_labels = Compose(
            [
                *parser.get_parsed_content("confidence_transforms"),
                *parser.get_parsed_content("restore_transforms"),
            ]
        )
        self.to_own_grid = parser.get_parsed_content("invert_transforms#0")
        self.n_classes = int(parser.get_parsed_content("n_classes"))
        self.measures = bool(parser.get_parsed_content("measures"))
        self.provenance = Provenance(
            software=software_versions(),
            bundle=_bundle_record(root, Path(weights)),
            settings=plain_settings(parser.get())
            | {"inference_sha256": description_digest(describe_inference(parser))},
        )

    def segment(self, cine: Cine) -> Segmentation:
        """Segment a cine in memory."""
        item = self.to_labels(self.predict(cine))
        return Segmentation(item["pred"].numpy(), item.get("confidence"))

    def probabilities(self, source: Cine | Source) -> tuple[np.ndarray, np.ndarray]:
        """What the network takes each voxel for, on the cine's own grid.

        Returns:
            (T, C, X, Y, Z) float32, sums over C are 1; and the affine (4, 4), voxel index to RAS+ mm.
        """
        cine = source if isinstance(source, Cine) else read_cine(source, series_uid=self.series_uid)
        logits = self.to_own_grid(self.predict(cine))["pred"]
        classes = logits.as_tensor().unflatten(0, (-1, self.n_classes)).softmax(dim=1)
        return classes.numpy(), logits.affine.cpu().numpy()

    def predict(self, cine: Cine) -> dict[str, Any]:
        """Run the network: the prepared image under `image`, and the logits (T*C, X, Y, Z) on its grid under `pred`."""
        item: dict[str, Any] = self.preprocessing({"image": cine})
        with torch.inference_mode():
            item["pred"] = self.inferer(item["image"][None].to(self.device), self.network)[0].cpu()
        return item

    def under_its_name(self, case: CaseFiles) -> tuple[CaseFiles, str | None]:
        """The case as its results are to be called, and the patient's pseudonym where there is to be one.

        Raises:
            ConfigError: a pseudonym is asked for, and there is no PatientID to replace.
        """
        return (case, None) if self.secret is None else with_pseudonym(case, secret=self.secret)

    def run(self, files: CaseFiles) -> CaseResult:
        """Read, segment and measure one case, and write its files; nothing is written before all is computed.

        Raises:
            PipelineError: the case cannot be used; the message says why.
        """
        files, pseudonym = self.under_its_name(files)
        cine = read_cine([str(file) for file in files.files], series_uid=self.series_uid)
        found = self.segment(cine)
        source = {
            "identity": files.identity,
            "files": [str(file) for file in files.files] if pseudonym is None else [],
            "series_uid": self.series_uid,
            "pseudonym": pseudonym,
            "labels_sha256": labels_digest(found.labels),
        }
        measured = self._measure(cine, found) if self.measures else None

        def fill(folder: Path) -> CaseResult:
            write_source(folder, source)
            place = self.output_dir / folder.name
            if measured is None:
                write_labels(folder, cine, found.labels)
                return CaseResult(folder.name, place)
            case = Case(folder.name, cine, found.labels, measured, self.provenance, pseudonym=pseudonym)
            written = write_case(folder, case, self.choices)
            return CaseResult(case.name, place, written.measurements, written.to_json())

        return write_whole(self.output_dir, files, fill)

    def _measure(self, cine: Cine, found: Segmentation) -> Measurements:
        return measure_study(cine, found.labels, confidence=found.confidence, choice=self.choices.phases)


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
            yield segmenter.run(case)
        except Exception as error:
            folder, sentence = _folder_of_failed(segmenter, case), _sentence(error)
            _log.error("%s: %s", folder.name, sentence)
            kept = sentence if segmenter.secret is None else without_paths(sentence, case.files)
            yield CaseResult(folder.name, folder, error=kept)


def _folder_of_failed(segmenter: Segmenter, case: CaseFiles) -> Path:
    """The case's folder; where it should have had a pseudonym and none could be made, one whose name tells nothing."""
    try:
        return find_folder(segmenter.output_dir, segmenter.under_its_name(case)[0])
    except PipelineError:
        return segmenter.output_dir / "unnamed"


def _given_phases(choice: PhaseChoice) -> dict[str, Any]:
    """What the user gave, as entries of the configuration: a bundle that lacks them refuses it."""
    given = {"ed_phase": choice.ed, "es_phase": choice.es}
    given_method = {} if choice.bsa_method == PhaseChoice().bsa_method else {"bsa_method": choice.bsa_method}
    return {key: value for key, value in given.items() if value is not None} | given_method


def _bundle_record(root: Path, weights: Path) -> BundleRecord:
    """Name and version of a bundle, and the digest of its weights where they are one file."""
    metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else None
    return BundleRecord(root.resolve().name, str(metadata["version"]), digest)


def _sentence(error: Exception) -> str:
    """The message meant for the user: of our own error where there is one."""
    return str(own_error(error) or f"{type(error).__name__}: {error}".splitlines()[0])
