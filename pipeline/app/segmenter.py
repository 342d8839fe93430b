"""A bundle, loaded once, applied to cines in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose

from pipeline.app.bundles import apply_overrides, find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.preparation import describe_inference, plain_settings
from pipeline.app.results import software_versions
from pipeline.core.case import TRAINING_RUN, BundleRecord, Case, Provenance
from pipeline.core.certainty import NetworkReport
from pipeline.core.digests import file_digest
from pipeline.core.errors import ConfigError
from pipeline.core.images import Cine
from pipeline.core.pose import PoseFinding
from pipeline.core.probability_sums import ProbabilitySums
from pipeline.core.versions import require
from pipeline.infer.devices import require_device
from pipeline.infer.heart import REACH
from pipeline.infer.pose import heart_seen
from pipeline.infer.weights import load_weights
from pipeline.measure.certainty.judging import CALIBRATION, read_calibration
from pipeline.measure.measurements import PhaseChoice
from pipeline.measure.study import hear_network, measure_study
from pipeline.prepare.description import description_digest
from pipeline.read.cine import Source, read_cine, require_stack
from pipeline.read.clock import with_heart_rate

__all__ = ["Segmentation", "Segmenter", "segment"]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A network's segmentation of a cine.

    Attributes:
        labels: (T, X, Y, Z) uint8 on the cine's own grid.
        sums: of the network's probabilities; `None` where the bundle estimates no confidence.
        pose: how the slices were laid down for the network; `None` where the bundle looks for no pose.
    """

    labels: np.ndarray
    sums: ProbabilitySums | None
    pose: PoseFinding | None = None


class Segmenter:
    """A bundle, loaded once.

    Args:
        bundle: name or folder of the bundle.
        device: torch device (`None` takes what the bundle chooses).

    Attributes:
        measures: whether its labels are ventricles that can be measured.
        provenance: its description in results.

    Raises:
        BundleError: no such bundle, no weights, or a bundle for another version.
        ConfigError: a device that torch does not know, or that is not there.
    """

    def __init__(self, bundle: str | Path = DEFAULT_BUNDLE, *, device: str | None = None) -> None:
        root = find_bundle(bundle)
        parser = ConfigParser(ConfigParser.load_config_files([str(root / "configs" / "inference.json")]))
        apply_overrides(parser, {"bundle_root": str(root)} | ({} if device is None else {"device": device}))
        get = parser.get_parsed_content
        require(get("library_version"))
        self.device = require_device(get("device"))
        load_weights(get("network_def"), get("weights"), bundle_root=root)
        self.network = get("network").eval()
        self.preprocessing, self.inferer = get("preprocessing"), get("inferer")
        self.to_labels = Compose([*get("confidence_transforms"), *get("restore_transforms")])
        self.to_own_grid = get("invert_transforms#0")
        self.n_classes = int(get("n_classes"))
        self.measures = bool(get("measures"))
        self.calibration = read_calibration(get("weights")) if self.measures else None
        used = None if self.calibration is None else file_digest(Path(get("weights")).with_name(CALIBRATION))
        resolved = {"inference_sha256": description_digest(describe_inference(parser)), "calibration_sha256": used}
        self.provenance = Provenance(
            software=software_versions(),
            bundle=_bundle_record(root, Path(get("weights"))),
            settings=plain_settings(parser.get()) | resolved,
        )

    def segment(self, cine: Cine) -> Segmentation:
        """Segment a cine in memory."""
        item = self.to_labels(self.predict(cine))
        return Segmentation(item["pred"].numpy(), item.get("confidence"), item.get("pose"))

    def see_heart(self, cine: Cine) -> float:
        """How much of a heart the network sees in a cine's first phase, to tell which of several is the short axis.

        Returns:
            The geometric mean over the structures of 1 + the sum of the probabilities of their pixels; 1 without a
            heart.
        """
        first = Cine(cine.array[:1], cine.grid, facts=cine.facts)
        slices = self.predict(first)["pred"].as_tensor().permute(3, 0, 1, 2)
        seen = heart_seen(slices, reach=REACH * min(slices.shape[2:]))
        return float(np.exp(np.log1p(seen).mean()))

    def tell(self, cine: Cine, found: Segmentation) -> NetworkReport:
        """What the network tells of the labels of `segment`, by the bundle's calibration if it has one."""
        return hear_network(cine, found.labels, sums=found.sums, pose=found.pose, calibration=self.calibration)

    def make_case(self, cine: Cine, found: Segmentation, *, choice: PhaseChoice | None = None, name: str = "") -> Case:
        """Measure the labels and make the case.

        Args:
            cine: the images.
            found: of `segment`.
            choice: phases given rather than found, and the formula of the body surface.
            name: of the case.

        Raises:
            ConfigError: the bundle's labels are no ventricles, or a chosen phase is not there.
        """
        if not self.measures:
            raise ConfigError(f"the labels of {self.provenance.bundle.name} are no ventricles that could be measured")
        measured = measure_study(cine, found.labels, told=self.tell(cine, found), choice=choice)
        return Case(name, cine, found.labels, measured, self.provenance)

    def probabilities(self, cine: Cine) -> tuple[np.ndarray, np.ndarray]:
        """The network's class probabilities of each voxel, on the cine's own grid.

        Returns:
            (T, C, X, Y, Z) float32, sums over C are 1, and the affine (4, 4), voxel index to RAS+ mm.
        """
        logits = self.to_own_grid(self.predict(cine))["pred"]
        classes = logits.as_tensor().unflatten(0, (-1, self.n_classes)).softmax(dim=1)
        return classes.numpy(), logits.affine.cpu().numpy()

    def predict(self, cine: Cine) -> dict[str, Any]:
        """Run the network: the prepared image under `image`, and the logits (T*C, X, Y, Z) on its grid under `pred`."""
        item: dict[str, Any] = self.preprocessing({"image": cine})
        with torch.inference_mode():
            item["pred"] = self.inferer(item["image"][None].to(self.device), self.network)[0].cpu()
        return item


def segment(
    source: Cine | Source,
    *,
    bundle: str | Path = DEFAULT_BUNDLE,
    device: str | None = None,
    heart_rate_bpm: float | None = None,
) -> Case:
    """Segment and measure one study in memory; for several, load a `Segmenter` once.

    Args:
        source: a cine, or what `read_cine` reads: an image file, a DICOM folder, the DICOM files of one study, an
            archive.
        bundle: name or folder of the bundle.
        device: torch device; `None` takes what the bundle chooses.
        heart_rate_bpm: beats a minute, for images that state no credible times or no rate, see `read.clock`.

    Returns:
        The case: images, labels, measurements with quality, and provenance.

    Raises:
        PipelineError: the study or the bundle cannot be used, a file's slices are too few for a short-axis stack, or
            no heart has such a rate; the message says why.
    """
    segmenter = Segmenter(bundle, device=device)
    cine = source if isinstance(source, Cine) else read_cine(source, look=segmenter.see_heart)
    cine = with_heart_rate(cine, heart_rate_bpm)
    if not isinstance(source, Cine):
        require_stack(cine, path=str(source))
    return segmenter.make_case(cine, segmenter.segment(cine))


def _bundle_record(root: Path, weights: Path) -> BundleRecord:
    """Name, version and training of a bundle, and the digest of its weights if they are one file."""
    metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    digest = file_digest(weights) if weights.is_file() else None
    return BundleRecord(root.resolve().name, str(metadata["version"]), digest, metadata.get(TRAINING_RUN))
