"""Calibrate a network's certainty on the folds of a cross-validation: patients by the network that never saw them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.app.bundles import find_bundle
from pipeline.app.segmenter import Segmenter
from pipeline.core.digests import file_digest
from pipeline.core.errors import BundleError, ConfigError, DatasetError
from pipeline.core.files import replacing, write_json
from pipeline.core.labels import STRUCTURES, UNLABELLED
from pipeline.evaluate.calibration import cross_fit, fit_calibration
from pipeline.evaluate.calibration_rows import JudgedVolume, StructureRow, drawn_whole, structure_rows
from pipeline.evaluate.calibration_tables import calibration_tables, expected_and_measured
from pipeline.evaluate.scores import VolumeScore, phase_roles
from pipeline.measure.certainty.features import FEATURES
from pipeline.measure.certainty.judging import CALIBRATION
from pipeline.read.cine import read_cine
from pipeline.read.datalists.cases import DatalistEntry
from pipeline.read.datasets import joined_datalist
from pipeline.read.labels import read_case_label
from pipeline.train.splits import choose_cases
from pipeline.write.pages.plots import reliability_plot
from pipeline.write.tables import write_table

__all__ = ["calibrate"]

_MEAN = "mean of the structures"
_OUT_OF_FOLD = "out_of_fold.csv"
_ROWS = "certainty.csv"
"""In a fold's `eval`: how sure its network was of each structure of the patients it never saw, beside the truth."""


def calibrate(
    folds: Sequence[Path],
    data: Sequence[Path],
    out: Path,
    *,
    bundle: str | Path | None = None,
    scheme: str | None = None,
) -> dict[str, Any]:
    """Fit a calibration to the folds of a cross-validation.

    Each fold's bundle segments its own validation patients, from the images and on their own grids, as `cmr segment`
    does. A fold that is done is not done again.

    Args:
        folds: bundles that `cmr crossvalidate` trained.
        data: the data sets that they were trained on, their images.
        out: receives `calibration.json`, `calibration_tables.json`, `reliability.png` and `out_of_fold.csv`, a row for
            every structure of every volume with what was expected of it and what was measured.
        bundle: name or folder of one of the same recipe, receives the calibration and uses it from then on, with its
            present weights, and the picture into its `docs`.
        scheme: of the labels, if the data set states none.

    Returns:
        What the calibration is worth, see `evaluate.calibration_tables`: every volume was judged by one that was made
        without its patient.

    Raises:
        ConfigError: no folds, or one that is no fold of a training.
        BundleError: no such bundle, or one without weights.
        DatasetError: data sets that lack their patients or do not pass the gate, patients who are validated in two
            folds, or too few in whom all structures were drawn.
    """
    if len(folds) < 2:
        raise ConfigError(f"a calibration needs the folds of a cross-validation, two or more, got {len(folds)}")
    weights = None if bundle is None else _weights(bundle)
    cases = joined_datalist(data, scheme=scheme)
    rows = _judge_folds(folds, cases)
    counted = drawn_whole(rows)
    made_from = {
        "data": ", ".join(one.resolve().name for one in data),
        "folds": len(folds),
        "patients": len({row.patient for row in counted}),
        "volumes": len(counted) // len(STRUCTURES),
    }
    judged = cross_fit(rows)
    tables = calibration_tables(judged)
    digest = "" if weights is None else file_digest(weights)
    fitted = fit_calibration(rows, weights_sha256=digest, made_from=made_from)
    for path in (out / "calibration.json", *(() if weights is None else (weights.with_name(CALIBRATION),))):
        write_json(path, fitted.to_json(), indent=2)
    write_json(out / "calibration_tables.json", made_from | tables, indent=2)
    write_table(out / _OUT_OF_FOLD, _out_of_fold(rows, judged))
    picture = reliability_plot(_panels(judged), limits={_MEAN: (fitted.pass_dice, fitted.fail_dice)})
    for folder in (out, *(() if weights is None else (weights.parents[1] / "docs",))):
        with replacing(folder / "reliability.png") as partial:
            partial.write_bytes(picture)
    return tables


def _judge_folds(folds: Sequence[Path], cases: Sequence[DatalistEntry]) -> list[StructureRow]:
    """Rows of all folds' validation patients, none of whom may be in two."""
    rows: list[StructureRow] = []
    for fold in folds:
        own = _judge_fold(fold, cases)
        if twice := {row.patient for row in own} & {row.patient for row in rows}:
            raise DatasetError(
                f"each patient must be validated in one fold alone, {sorted(twice)[:5]} are in two", fold
            )
        rows += own
    return rows


def _out_of_fold(rows: Sequence[StructureRow], judged: Sequence[JudgedVolume]) -> list[dict[str, Any]]:
    """A row for every structure of every volume: measured, and expected by a calibration without its patient."""
    volumes = {(one.patient, one.volume): one for one in judged}
    table = []
    for row in rows:
        one = volumes[row.patient, row.volume]
        low_ml, high_ml = one.intervals[row.structure] or (None, None)
        table.append(
            {
                **{key: getattr(row, key) for key in ("patient", "volume", "structure")},
                **{key: _rounded(getattr(row, key)) for key in ("dice", "true_ml", "found_ml")},
                **{
                    "expected_dice": _rounded(one.expected[row.structure]),
                    "dice_low": _rounded(one.low[row.structure]),
                },
                **{"low_ml": _rounded(low_ml), "high_ml": _rounded(high_ml), "verdict": one.verdict},
            }
        )
    return table


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), 4)


def _panels(judged: Sequence[JudgedVolume]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Expected and measured Dice by the titles of the plot's panels, of volumes that were drawn whole."""
    titles = {s.name: s.short for s in STRUCTURES} | {"mean": _MEAN}
    whole = [one for one in judged if one.is_whole]
    return {titles[name]: pair for name, pair in expected_and_measured(whole).items()}


def _weights(bundle: str | Path) -> Path:
    weights = find_bundle(bundle) / "models" / "model.pt"
    if not weights.is_file():
        raise BundleError(f"a calibration is for weights, and there are none at {weights}")
    return weights


def _judge_fold(fold: Path, cases: Sequence[DatalistEntry]) -> list[StructureRow]:
    """Rows of a fold's validation patients, as they were kept or made now."""
    record, kept = fold / "eval" / "run.json", fold / "eval" / _ROWS
    if not record.is_file():
        raise ConfigError(f"a fold must be a training's folder, and {fold} has no eval/run.json")
    own = choose_cases(cases, record)
    if not kept.is_file():
        segmenter = Segmenter(fold)
        pairs = [pair for case in own for pair in _judge_case(segmenter, case)]
        write_table(kept, [_flat(row) for row in _with_roles(pairs)])
    return _read_rows(kept)


def _judge_case(segmenter: Segmenter, case: DatalistEntry) -> list[tuple[StructureRow, VolumeScore]]:
    """Each structure of each phase in which anything was drawn, and its score."""
    cine = read_cine(case["image"])
    found = segmenter.segment(cine)
    if found.sums is None:
        raise ConfigError(f"the bundle {segmenter.provenance.bundle.name} estimates no confidence to calibrate")
    truth = read_case_label(case, grid=cine.grid, n_phases=cine.n_phases).array
    drawn = [phase for phase in range(cine.n_phases) if (truth[phase] != UNLABELLED).any()]
    names = {phase: f"t{phase:02d}" if cine.n_phases > 1 else str(case["phase"]) for phase in drawn}
    return list(structure_rows(truth, found.labels, found.sums, cine.grid, patient=case["patient"], volumes=names))


def _with_roles(pairs: Sequence[tuple[StructureRow, VolumeScore]]) -> list[StructureRow]:
    """The rows with ED and ES for the volumes that are, whatever the data set calls them."""
    roles = phase_roles(score for _, score in pairs)
    return [replace(row, volume=roles.get((row.patient, row.volume), row.volume)) for row, _ in pairs]


def _flat(row: StructureRow) -> dict[str, Any]:
    content = asdict(row)
    return content | dict(zip(FEATURES, content.pop("features"), strict=True))


def _read_rows(path: Path) -> list[StructureRow]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            StructureRow(
                patient=line["patient"],
                volume=line["volume"],
                structure=line["structure"],
                features=tuple(float(line[name]) for name in FEATURES),
                dice=float(line["dice"]),
                true_ml=float(line["true_ml"]),
                found_ml=float(line["found_ml"]),
                spread_ml=float(line["spread_ml"]),
            )
            for line in csv.DictReader(file)
        ]
