"""The two layouts around `dataset.json`: the Medical Segmentation Decathlon's, and nnU-Net's raw folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError
from pipeline.read.datalists.cases import (
    Adapter,
    DatalistEntry,
    Scheme,
    is_hidden,
    patient_and_phase,
    read_json,
    scheme_from_names,
)

__all__ = ["ADAPTERS", "looks_like_msd", "looks_like_nnunet", "msd_cases", "nnunet_cases"]

_LIST = "dataset.json"
_FIRST_CHANNEL = "_0000"


def looks_like_nnunet(folder: Path) -> bool:
    """Whether the folder has `dataset.json`, `labelsTr` and images with a channel suffix."""
    is_raw = (folder / _LIST).is_file() and (folder / "labelsTr").is_dir()
    return is_raw and any((folder / "imagesTr").glob(f"*{_FIRST_CHANNEL}.*"))


def looks_like_msd(folder: Path) -> bool:
    """Whether the folder has a `dataset.json` and is not nnU-Net's."""
    return (folder / _LIST).is_file() and not looks_like_nnunet(folder)


def nnunet_cases(folder: Path, *, scheme: Scheme | None = None) -> list[DatalistEntry]:
    """List the training cases of an nnU-Net raw data set (`imagesTr/<case>_0000.nii.gz`, `labelsTr/<case>.nii.gz`).

    Args:
        folder: of the data set.
        scheme: label scheme; `None` takes it from the names in `dataset.json`.

    Returns:
        A case for each label; patient and phase from the case's name, see `cases.patient_and_phase`.

    Raises:
        DatasetError: `dataset.json` unusable, or more than one channel.
    """
    declared = _read_declaration(folder)
    ending = str(declared.get("file_ending", ".nii.gz"))
    if not all(map(is_hidden, (folder / "imagesTr").glob(f"*_0001{ending}"))):
        raise DatasetError("cine MRI must have one channel a case, got files with suffix _0001", folder / "imagesTr")
    scheme = scheme if scheme is not None else _scheme(declared, folder)
    cases = []
    for label in sorted(path for path in (folder / "labelsTr").glob(f"*{ending}") if not is_hidden(path)):
        name = label.name[: -len(ending)]
        image = folder / "imagesTr" / f"{name}{_FIRST_CHANNEL}{ending}"
        cases.append(_case(name, image, label, scheme))
    return cases


def msd_cases(folder: Path, *, scheme: Scheme | None = None) -> list[DatalistEntry]:
    """List the `training` entries of a Medical Segmentation Decathlon folder; arguments as for `nnunet_cases`.

    Raises:
        DatasetError: `dataset.json` unusable, or entries without `image` and `label`.
    """
    declared = _read_declaration(folder)
    entries = declared.get("training")
    if not isinstance(entries, list) or not all(isinstance(e, dict) and {"image", "label"} <= set(e) for e in entries):
        raise DatasetError("`training` must be a list of objects with `image` and `label`", folder / _LIST)
    scheme = scheme if scheme is not None else _scheme(declared, folder)
    cases = []
    for entry in (entry for entry in entries if not is_hidden(entry["label"])):
        label = folder / entry["label"]
        cases.append(_case(label.name.split(".nii")[0], folder / entry["image"], label, scheme))
    return cases


def _case(name: str, image: Path, label: Path, scheme: Scheme) -> DatalistEntry:
    patient, phase = patient_and_phase(name)
    return {"image": str(image), "label": str(label), "patient": patient, "phase": phase, "scheme": scheme}


def _read_declaration(folder: Path) -> dict[str, Any]:
    declared = read_json(folder / _LIST)
    if not isinstance(declared, dict):
        raise DatasetError(f"{_LIST} must hold an object, got {type(declared).__name__}", folder / _LIST)
    return declared


def _scheme(declared: dict[str, Any], folder: Path) -> Scheme:
    labels = declared.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise DatasetError("`labels` must name the label values; or state `scheme`", folder / _LIST)
    return scheme_from_names(labels, path=folder / _LIST)


def _folder(source: Path) -> Path:
    """Of a data set that is named by its folder, or by its `dataset.json`."""
    return source if source.is_dir() else source.parent


def _is_named(source: Path) -> bool:
    return source.is_dir() or source.name == _LIST


ADAPTERS = (
    Adapter(
        "nnunet",
        "dataset.json, imagesTr/<case>_0000.nii.gz and labelsTr/<case>.nii.gz",
        lambda source: _is_named(source) and looks_like_nnunet(_folder(source)),
        lambda source, *, scheme, **_: nnunet_cases(_folder(source), scheme=scheme),
    ),
    Adapter(
        "msd",
        "dataset.json with a list under `training`",
        lambda source: _is_named(source) and looks_like_msd(_folder(source)),
        lambda source, *, scheme, **_: msd_cases(_folder(source), scheme=scheme),
    ),
)
