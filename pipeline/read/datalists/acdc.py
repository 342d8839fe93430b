"""ACDC (Bernard et al., IEEE TMI 2018, doi 10.1109/TMI.2018.2837502): one folder a patient, ED and ES with masks."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.errors import DatasetError
from pipeline.read.acdc_info import INFO, read_info
from pipeline.read.datalists.cases import Adapter, DatalistEntry, Scheme

__all__ = ["ADAPTERS", "acdc_cases", "looks_like_acdc"]


def looks_like_acdc(folder: Path) -> bool:
    """Whether the folder, its folders or theirs hold an `Info.cfg`."""
    return any(True for _ in _patient_files(folder))


def acdc_cases(folder: Path, *, scheme: Scheme | None = None) -> list[DatalistEntry]:
    """List the ED and ES frames of every patient below a folder.

    Args:
        folder: holds `patientNNN/` (or `training/patientNNN/`), or is one such folder.
        scheme: of the labels; `None`: "acdc".

    Returns:
        Two cases a patient, with `group` (the diagnosis), `height_cm` and `weight_kg` where stated.

    Raises:
        DatasetError: an `Info.cfg` without the numbers of the ED and ES frames, or a height or weight that is none.
    """
    return [case for info in sorted(_patient_files(folder)) for case in _patient_cases(info, scheme or "acdc")]


def _patient_files(folder: Path) -> list[Path]:
    return [path for pattern in (INFO, f"*/{INFO}", f"*/*/{INFO}") for path in folder.glob(pattern)]


def _patient_cases(info: Path, scheme: Scheme) -> list[DatalistEntry]:
    folder, facts = info.parent, read_info(info)
    try:
        extra: DatalistEntry = {
            name: kind(facts[key])
            for key, name, kind in (
                ("Group", "group", str),
                ("Height", "height_cm", float),
                ("Weight", "weight_kg", float),
            )
            if key in facts
        }
    except ValueError as error:
        raise DatasetError(f"Info.cfg must state height and weight as numbers ({error})", info) from error
    cases = []
    for phase in ("ED", "ES"):
        if not facts.get(phase, "").isdigit():
            raise DatasetError(f"Info.cfg must state the frame number of {phase}, got {facts.get(phase)!r}", info)
        stem = folder / f"{folder.name}_frame{int(facts[phase]):02d}"
        image, label = _nifti(f"{stem}"), _nifti(f"{stem}_gt")
        cases.append(extra | {"image": image, "label": label, "patient": folder.name, "phase": phase, "scheme": scheme})
    return cases


def _nifti(stem: str) -> str:
    """The compressed file, unless only the uncompressed one is there."""
    plain, compressed = Path(f"{stem}.nii"), Path(f"{stem}.nii.gz")
    return str(plain if plain.is_file() and not compressed.exists() else compressed)


ADAPTERS = (
    Adapter(
        "acdc",
        "patientNNN/ folders with Info.cfg",
        lambda source: source.is_dir() and looks_like_acdc(source),
        lambda source, *, scheme, **_: acdc_cases(source, scheme=scheme),
    ),
)
