"""MONAI wrapper: a case's DICOM Segmentations, for bundles that are run by MONAI's own commands."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import SaveImaged

from pipeline.core.errors import ConfigError
from pipeline.core.labels import LV
from pipeline.measure.function import volumes_ml
from pipeline.measure.measurements import PhaseChoice
from pipeline.measure.phases import find_phases
from pipeline.read.cine import read_cine
from pipeline.write.dicom_seg import Algorithm, write_segmentations

__all__ = ["SegmentationSaveImaged"]


class SegmentationSaveImaged(SaveImaged):
    """Writes `<output_dir>/<case>/seg_ed.dcm` and `seg_es.dcm`, `seg.dcm` for a single phase; see `write.dicom_seg`.

    A MONAI `SaveImaged`, so tools that look for one find one. Phases in which nothing is labelled are left out.

    Args:
        keys: label maps (T, X, Y, Z) as `MetaTensor`, on the grid of DICOM images that `CineLoadImaged` read.
        output_dir: folder of the cases' folders.
        bundle_root: the bundle's folder, whose name and version the objects state.
        case_key: name of the case.
        choice: phases given by the user.
        kwargs: `SaveImaged`'s other arguments, of no effect here.
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str = "./",
        *,
        bundle_root: str = ".",
        case_key: str = "case",
        choice: PhaseChoice | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(keys, output_dir=output_dir, **kwargs)
        self.output_dir = Path(output_dir)
        self.bundle_root = Path(bundle_root)
        self.case_key = case_key
        self.choice = choice or PhaseChoice()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the segmentations; the data pass through unchanged.

        Raises:
            ConfigError: the images are not DICOM.
        """
        for key in self.key_iterator(data):
            label: MetaTensor = data[key]
            files = [file for file in str(label.meta.get("source_files", "")).split("\n") if file]
            if not files:
                raise ConfigError(f"DICOM Segmentations need DICOM images, {data[self.case_key]} is of another format")
            cine, labels = read_cine(files), label.as_tensor().cpu().numpy()
            found = find_phases(volumes_ml(labels, cine.grid)[LV.name], ed=self.choice.ed, es=self.choice.es)
            named = {"single": 0} if found.es is None else {"ed": found.ed, "es": found.es}
            phases = {name: phase for name, phase in named.items() if labels[phase].any()}
            folder = self.output_dir / str(data[self.case_key])
            write_segmentations(folder, cine, labels, phases=phases, algorithm=self._algorithm())
        return dict(data)

    def _algorithm(self) -> Algorithm:
        metadata = json.loads((self.bundle_root / "configs" / "metadata.json").read_text(encoding="utf-8"))
        return Algorithm(self.bundle_root.resolve().name, str(metadata["version"]))
