"""MONAI wrapper: the label map of a case as NIfTI on the input's own grid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import SaveImaged

from pipeline.write.nifti import write_label_map

__all__ = ["CineSaveImaged"]


class CineSaveImaged(SaveImaged):
    """Writes `<output_dir>/<case>/segmentation.nii.gz`: uint8, 3D or 4D like the input, the input's affine.

    A MONAI `SaveImaged`, so tools that look for one find one.

    Args:
        keys: label maps (T, X, Y, Z) as `MetaTensor`, with `n_axes` and `times_ms` in the metadata where known.
        output_dir: folder of the cases' folders.
        case_key: name of the case.
        kwargs: `SaveImaged`'s other arguments, of no effect here.
    """

    def __init__(self, keys: KeysCollection, output_dir: str = "./", *, case_key: str = "case", **kwargs: Any) -> None:
        super().__init__(keys, output_dir=output_dir, **kwargs)
        self.output_dir = Path(output_dir)
        self.case_key = case_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the label maps; the data pass through unchanged."""
        for key in self.key_iterator(data):
            label: MetaTensor = data[key]
            times_ms = label.meta.get("times_ms", ())
            write_label_map(
                self.output_dir / str(data[self.case_key]) / "segmentation.nii.gz",
                label.as_tensor().cpu().numpy(),
                affine=label.affine.cpu().numpy(),
                times_ms=[float(time) for time in times_ms] or None,
                n_axes=label.meta.get("n_axes"),
            )
        return dict(data)
