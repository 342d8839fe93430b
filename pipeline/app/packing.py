"""Convert data sets to a pack, prepared once as a bundle's training would, to train from anywhere."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from pipeline.app.bundles import apply_overrides
from pipeline.app.checks import check_made
from pipeline.app.settings import check_settings
from pipeline.prepare.description import describe
from pipeline.read.datasets import joined_datalist
from pipeline.train.prepared import prepare_cases
from pipeline.train.splits import find_twins
from pipeline.write.packs import write_pack

__all__ = ["pack_dataset"]

_OF_THE_FILES = ("image", "label", "patient", "phase", "spacing", "scheme", "image_sha256", "label_sha256")
"""Columns of a data list that a pack states itself, or that are useless without the files."""


def pack_dataset(
    root: Path,
    data: Sequence[Path],
    out: Path,
    *,
    layout: str = "auto",
    overrides: Mapping[str, Any] | None = None,
    bits: int = 8,
) -> dict[str, float]:
    """Prepare a data set, or several as one, as a bundle's training would, and write it as a pack.

    Args:
        root: the bundle's folder.
        data: the data sets.
        out: the pack to write, which should end in .pack.
        layout: of each data set, see `read.datasets.load_datalist`.
        overrides: id -> value, settings of the bundle that the preparation depends on.
        bits: bits per intensity, see `write.packs.write_pack`.

    Returns:
        The results of `write_pack`, and `n_patients` and `n_slices`.

    Raises:
        ConfigError: a setting that does not exist, or an invalid number of bits.
        InputError: a data set cannot be read, or does not pass `read.gate`; or two hold patients of one name.
    """
    check_made(check_settings(root, overrides or {})["train"], ("train#preprocessing",))
    parser = ConfigParser(ConfigParser.load_config_files([str(root / "configs" / "train.json")]))
    apply_overrides(parser, {"bundle_root": str(root), **(overrides or {})})
    transform = parser.get_parsed_content("train#preprocessing")
    cases = joined_datalist(data, scheme=parser.get("scheme"), layout=layout)
    twins = {patient: sorted(group - {patient}) for group in find_twins(cases) for patient in group}
    with tempfile.TemporaryDirectory() as cache:  # so that several processes prepare at once
        prepared = prepare_cases(cases, transform, cache_dir=cache)
    facts = [_facts(case) | {"twins": twins.get(case["patient"], [])} for case in cases]
    pairs = [(stack, known) for stacks, known in zip(prepared, facts, strict=True) for stack in stacks]
    measured = write_pack(
        out, [stack for stack, _ in pairs], [known for _, known in pairs], preparation=describe(transform), bits=bits
    )
    counts = {
        "n_patients": len({stack.patient for stack, _ in pairs}),
        "n_slices": sum(len(stack.stored) for stack, _ in pairs),
    }
    return counts | measured


def _facts(case: Mapping[str, Any]) -> dict[str, Any]:
    """Other columns of a case in the data list, as far as JSON can hold them."""
    facts = {key: value for key, value in case.items() if key not in _OF_THE_FILES}
    known: dict[str, Any] = json.loads(json.dumps(facts, default=str))
    return known
