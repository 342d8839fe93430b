"""What a labelling server is given: MONAI Label asks for one phase and cannot hold a cine's labels as one volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform

from pipeline.app.transforms import cine_of
from pipeline.core.errors import ConfigError
from pipeline.core.labels import LV
from pipeline.measure.measurements import measure_cine

__all__ = ["AnswerPhased"]


class AnswerPhased(MapTransform):
    """Keep the one phase of each label map that an item asks for; an item that asks for none keeps them all.

    It stands last in a bundle's post-processing. Items of this library ask for nothing. MONAI Label gives the entries
    of a request to the transforms, by default those of `displayable_configs`, where the first of a list is taken.

    Args:
        keys: of the label maps, (T, X, Y, Z) as `MetaTensor`, with the metadata that `CineLoadImaged` gives.
        phase_key: of what an item asks for: "ed", "es", or a phase's number, 0-based.
        told_key: receives `{"phase": number, "n_phases": T}`, beside what a server has put there.
    """

    def __init__(self, keys: KeysCollection, *, phase_key: str = "phase", told_key: str = "result") -> None:
        super().__init__(keys)
        self.phase_key = phase_key
        self.told_key = told_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace each label map by one of a single phase, (1, X, Y, Z).

        Raises:
            ConfigError: no such phase, or labels in which neither end-diastole nor end-systole can be told.
        """
        answered = dict(data)
        asked = _first(answered.get(self.phase_key))
        if asked is None:
            return answered
        for key in self.key_iterator(answered):
            labels: MetaTensor = answered[key]
            phase = find_phase(labels, asked)
            answered[key] = labels[phase : phase + 1]
            told = {"phase": phase, "n_phases": len(labels)}
            answered[self.told_key] = {**(answered.get(self.told_key) or {}), **told}
        return answered


def find_phase(labels: MetaTensor, asked: str | int) -> int:
    """The phase that is asked for: by number, or end-diastole or end-systole as the volume curve has them.

    Args:
        labels: (T, X, Y, Z), with the metadata that `CineLoadImaged` gives.
        asked: "ed", "es" or a number, 0-based, perhaps as text. A single phase answers both names.

    Raises:
        ConfigError: no such phase, or one that cannot be told from these labels.
    """
    name, n_phases = str(asked).strip().lower(), len(labels)
    if name.isdecimal() and int(name) < n_phases:
        return int(name)
    if name not in ("ed", "es"):
        raise ConfigError(f"`phase` must be ed, es, or a number from 0 to {n_phases - 1}, got {asked!r}")
    if n_phases == 1:
        return 0
    cine, array = cine_of(labels), labels.as_tensor().cpu().numpy()
    measured = measure_cine(array, cine.grid, times_ms=cine.times_ms, facts=cine.facts)
    phase = measured.ed_phase if name == "ed" else measured.es_phase
    if phase is None or not (array == LV.value).any():
        raise ConfigError(
            f"`phase` {name!r} cannot be told, for no left ventricle was found: ask by number, 0 to {n_phases - 1}"
        )
    return phase


def _first(asked: Any) -> str | int | None:
    """What an item asks for, the first of several; `None` for nothing."""
    if isinstance(asked, Sequence) and not isinstance(asked, str):
        asked = asked[0] if asked else None
    return None if asked is None or asked == "" else asked
