"""MONAI wrappers: images of either format and label maps on their grids as `MetaTensor`, and label values as ours."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import ImageReader
from monai.data.meta_tensor import MetaTensor
from monai.transforms import LoadImaged, MapTransform
from monai.utils import ImageMetaKey, convert_to_dst_type
from monai.utils.enums import MetaKeys, SpaceKeys

from pipeline.core.errors import ConfigError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine
from pipeline.core.labels import keep_drawn, map_labels
from pipeline.read.cine import SeriesOptions, Source, read_cine
from pipeline.read.labels import read_case_label

__all__ = ["CineLoadImaged", "CineReader", "LoadLabeld", "MapLabelsd"]

_ABOUT_LABELS = ("scheme", "drawn_phases", "drawn_structures", "undrawn_slices")
"""What an item says of its label, beside where it is."""


class CineReader(ImageReader):
    """MONAI's reader interface over `cine.read_cine`.

    Args:
        series_uid: DICOM series to read, see `cine.read_cine`.
    """

    def __init__(self, series_uid: str | None = None) -> None:
        self.series_uid = series_uid

    def verify_suffix(self, filename: Sequence[Any] | Any) -> bool:  # noqa: ARG002, MONAI's signature
        """Whether the name may be an image of ours: DICOM files carry any name, so it always may."""
        return True

    def read(self, data: Sequence[Any] | Any, **kwargs: Any) -> Cine:  # noqa: ARG002, likewise
        """Read a source; `kwargs` are MONAI's and unused."""
        source: Source = data[0] if isinstance(data, tuple | list) and len(data) == 1 else data
        return read_cine(source, options=SeriesOptions(series_uid=self.series_uid))

    def get_data(self, img: Cine) -> tuple[np.ndarray, dict[str, Any]]:
        """Give the array (T, X, Y, Z) and metadata: tensors, arrays, numbers and strings only, so that they collate.

        `times_ms` and `spans_mm` (see `Grid`) are empty where unknown, a number is NaN and `sex` an empty text;
        `notes`, and `source_files` where they are DICOM, are joined by line breaks.
        """
        cine, facts = img, img.facts
        affine = torch.tensor(cine.grid.affine)
        meta: dict[str, Any] = {
            MetaKeys.AFFINE.value: affine,
            MetaKeys.ORIGINAL_AFFINE.value: affine.clone(),
            MetaKeys.ORIGINAL_CHANNEL_DIM.value: 0,
            MetaKeys.SPATIAL_SHAPE.value: np.asarray(cine.grid.shape),  # an array, as of MONAI's own readers
            MetaKeys.SPACE.value: SpaceKeys.RAS.value,
            "n_axes": cine.n_axes,
            "slice_axis": cine.slice_axis,
            "times_ms": torch.tensor(cine.times_ms or (), dtype=torch.float64),
            "spans_mm": torch.tensor(cine.grid.spans_mm or (), dtype=torch.float64),
            "notes": "\n".join(cine.notes),
            "source_files": "\n".join(sorted({source.path for row in cine.sources or () for source in row})),
        }
        meta["sex"] = facts.sex or ""
        for name in ("heart_rate_bpm", "height_m", "weight_kg", "age_years", "ed_phase", "es_phase"):
            value = getattr(facts, name)
            meta[name] = float("nan") if value is None else float(value)
        return cine.array, meta


class CineLoadImaged(LoadImaged):
    """Load DICOM (folder, file, list of files) or NIfTI as a `MetaTensor` (T, X, Y, Z), time as channel.

    A `Cine` that is read already is taken as it is. A MONAI `LoadImaged` in all else: same arguments, so MONAI Label
    finds one; and the name holds `LoadImage`, by which MONAI Deploy knows what its own reading replaces. Metadata are
    told in `CineReader.get_data`; `affine` is RAS+ mm. Errors are ours and are not covered up by trying other readers.

    Args:
        keys: of the sources.
        args: as for `LoadImaged`, in its order; `ensure_channel_first` changes nothing, time is first anyway.
        series_uid: DICOM series to read, see `cine.read_cine`.
        kwargs: likewise.

    Raises:
        ConfigError: a `reader` is named; those of MONAI would lose the cine's order or its spacing.
    """

    def __init__(self, keys: KeysCollection, *args: Any, series_uid: str | None = None, **kwargs: Any) -> None:
        if (args and args[0] is not None) or kwargs.get("reader") is not None:
            raise ConfigError("`reader` of CineLoadImaged must stay unset: it has its own; use LoadImaged for others")
        with _without_decoder_notice():
            super().__init__(keys, *args, **kwargs)
        self.series_uid = series_uid

    def __call__(self, data: Mapping[Hashable, Any], reader: ImageReader | None = None) -> dict[Hashable, Any]:
        """Replace the source under each key by its image; `reader` at call time is MONAI's and wins."""
        reader = reader if reader is not None else CineReader(self.series_uid)
        read = {key: _as_tensor(data[key]) for key in self.key_iterator(data) if isinstance(data[key], Cine)}
        if read:
            return {**data, **read}
        loaded: dict[Hashable, Any] = super().__call__(data, reader)
        return loaded


def _as_tensor(cine: Cine) -> MetaTensor:
    array, meta = CineReader().get_data(cine)
    return cast(MetaTensor, MetaTensor.ensure_torch_and_prune_meta(array.astype(np.float32), meta))


class LoadLabeld(MapTransform):
    """Load label maps as a training takes them: on their image's grid, in our values, see `labels.read_case_label`.

    The image must have been loaded; where it lay in its file is taken from its metadata, so that it may have been
    resampled since. An item's `scheme`, `drawn_phases`, `drawn_structures` and `undrawn_slices` are minded.

    Args:
        keys: of the label maps' paths.
        image_key: of the image they were drawn on.
        allow_missing_keys: whether a label may be absent.
    """

    def __init__(self, keys: KeysCollection, *, image_key: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace each path by a `MetaTensor` (T, X, Y, Z) float32 whose affine is that of the image's file.

        Raises:
            ConfigError: the image has not been loaded.
        """
        loaded = dict(data)
        keys = list(self.key_iterator(loaded))
        image = loaded.get(self.image_key)
        if not keys:
            return loaded
        if not isinstance(image, MetaTensor) or MetaKeys.ORIGINAL_AFFINE not in image.meta:
            raise ConfigError(f"a label is laid on its image: load `{self.image_key}` by CineLoadImaged before it")
        x, y, z = (int(n) for n in image.meta[MetaKeys.SPATIAL_SHAPE])
        grid = Grid((x, y, z), np.asarray(image.meta[MetaKeys.ORIGINAL_AFFINE]))
        for key in keys:
            case = {"scheme": "cmr"} | {name: loaded[name] for name in _ABOUT_LABELS if loaded.get(name)}
            cine = read_case_label({**case, "label": loaded[key]}, grid=grid, n_phases=image.shape[0])
            tensor = _as_tensor(cine)
            tensor.meta[ImageMetaKey.FILENAME_OR_OBJ] = str(loaded[key])
            loaded[key] = tensor
        return loaded


class MapLabelsd(MapTransform):
    """Translate label values by each item's own scheme, see `core.labels.map_labels`.

    Where an item says in which phases somebody has drawn (`drawn_phases`), the others become unlabelled.

    Args:
        keys: of the label maps, any shape.
        scheme_key: of the scheme's name or mapping.
        default: scheme of items that have none under `scheme_key`.
        allow_missing_keys: whether a label may be absent.
    """

    def __init__(
        self,
        keys: KeysCollection,
        scheme_key: str = "scheme",
        *,
        default: str | Mapping[int, int] = "cmr",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scheme_key = scheme_key
        self.default = default

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace each label map by one of ours, uint8; metadata are kept."""
        mapped = dict(data)
        scheme = mapped.get(self.scheme_key) or self.default
        for key in self.key_iterator(mapped):
            label = mapped[key]
            array = label.as_tensor().cpu().numpy() if isinstance(label, MetaTensor) else np.asarray(label)
            ours = keep_drawn(map_labels(array, scheme=scheme), mapped.get("drawn_phases"))
            mapped[key] = convert_to_dst_type(ours, label, dtype=torch.uint8 if torch.is_tensor(label) else np.uint8)[0]
        return mapped


@contextmanager
def _without_decoder_notice() -> Iterator[None]:
    """Keep MONAI from telling that it cannot decode DICOM on the GPU: making any loader tries, and ours never does."""
    logger = logging.getLogger("monai.data.nvimgcodec_pydicom_plugin")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader", category=UserWarning)
            yield
    finally:
        logger.disabled = was_disabled
