"""How well quality flags and the network's confidence point at bad segmentations, and what clean-up changes.

    python benchmarks/quality.py BUNDLE ACDC RUN_JSON OUT [--side training]

The bundle segments the validation patients of RUN_JSON, a training's `run.json`, or all others; rules are also applied
to the experts' own labels of all patients, which should trip hardly any. Predictions are kept in OUT/predictions and
not made again, so that rules can be changed and measured in a minute. The tables also go to OUT/quality.md.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from pipeline.app.segmenter import Segmenter
from pipeline.core.geometry import Grid
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Flag
from pipeline.evaluate.calibration_tables import area_interval
from pipeline.evaluate.overlap import volume_overlap
from pipeline.evaluate.surface import surface_distances
from pipeline.infer.cleanup import remove_impossible
from pipeline.infer.confidence import sum_probabilities
from pipeline.infer.decide import decide_labels
from pipeline.measure.measurements import measure_cine
from pipeline.measure.quality.assess import assess_quality
from pipeline.read.cine import read_cine, read_label
from pipeline.read.datasets import load_datalist
from pipeline.train.splits import choose_cases

LOW_DICE = 0.88
"""Mean Dice of a volume below which a flag should be there."""

RULES = (
    *("missing_structure", "not_a_heart", "slice_gap", "extra_piece", "hole", "open_wall", "ventricles_swapped"),
    *("right_ventricle_side", "area_jump", "slice_shift", "stack_apex", "stack_base", "volume_limits"),
    *("ejection_limits", "stroke_volumes", "mass_change", "low_confidence"),
)
"""Those that need no whole beat; experts' labels have no confidence."""

SIDES = ("experts, other patients", "experts, these patients", "predictions")


@dataclass(frozen=True)
class Volume:
    """One phase of a patient: labels and experts' labels (X, Y, Z) on a grid, and each structure's expected Dice."""

    name: str
    patient: str
    grid: Grid
    labels: np.ndarray
    truth: np.ndarray
    expected: np.ndarray


def main() -> None:
    """Segment what is missing, and print the tables."""
    options = argparse.ArgumentParser()
    options.add_argument("bundle")
    for name in ("data", "run", "out"):
        options.add_argument(name, type=Path)
    options.add_argument("--side", choices=("validation", "training"), default="validation")
    chosen = options.parse_args()
    validation = choose_cases(load_datalist(chosen.data), str(chosen.run))
    training = [case for case in load_datalist(chosen.data) if case not in validation]
    cases, rest = (validation, training) if chosen.side == "validation" else (training, validation)
    raw = predict(chosen.bundle, cases, chosen.out / "predictions")
    found = [Volume(**{**vars(v), "labels": remove_impossible(v.labels[None])[0]}) for v in raw]
    flags = flag_volumes(found, confident=True)
    expert_flags = (flag_volumes(experts(side), confident=False) for side in (rest, cases))
    sides = dict(zip(SIDES, (*expert_flags, flags), strict=True))
    tables = [alarm_table(sides), confidence_table(found), detection_table(found, flags)]
    tables += [verdict_table(found, flags), cleanup_table(raw, found)]
    (chosen.out / "quality.md").write_text("\n".join(tables), encoding="utf-8")
    print("\n".join(tables))


def predict(bundle: str, cases: Sequence[Mapping[str, Any]], folder: Path) -> list[Volume]:
    """Segment cases, without clean-up, unless that is done."""
    folder.mkdir(parents=True, exist_ok=True)
    segmenter: Segmenter | None = None
    volumes = []
    for case in cases:
        path = folder / f"{case['patient']}_{case['phase']}.npz"
        if not path.is_file():
            segmenter = segmenter or Segmenter(bundle)
            labels, expected = _segment(segmenter, str(case["image"]))
            np.savez_compressed(path, labels=labels, expected=expected)
        with np.load(path) as kept:
            volumes.append(_volume(case, kept["labels"], kept["expected"]))
    return volumes


def experts(cases: Sequence[Mapping[str, Any]]) -> list[Volume]:
    """The experts' labels as if they had been found."""
    return [_volume(case, None, np.full(len(STRUCTURES), np.nan)) for case in cases]


def flag_volumes(volumes: Iterable[Volume], *, confident: bool) -> dict[str, list[Flag]]:
    """Flags of each volume, by its name; those of a whole patient stand with each of its volumes."""
    patients: dict[str, list[Volume]] = defaultdict(list)
    for volume in volumes:
        patients[volume.patient].append(volume)
    flags: dict[str, list[Flag]] = {}
    for both in patients.values():
        labels, grid = np.stack([volume.labels for volume in both]), both[0].grid
        columns = np.stack([volume.expected for volume in both], axis=1).tolist()
        confidence = {s.name: column for s, column in zip(STRUCTURES, columns, strict=True)} if confident else None
        quality = assess_quality(labels, grid, replace(measure_cine(labels, grid), confidence=confidence))
        for phase, volume in enumerate(both):
            flags[volume.name] = [flag for flag in quality.flags if flag.phase in (None, phase)]
    return flags


def alarm_table(sides: Mapping[str, Mapping[str, list[Flag]]]) -> str:
    """Share of patients whom each rule flags, on each side."""
    by_patient = [_rules_by_patient(flags) for flags in sides.values()]
    rows = [["rule", *(f"{name} ({len(side)})" for name, side in zip(sides, by_patient, strict=True))]]
    for rule in RULES:
        cells = [f"{np.mean([rule in rules for rules in side.values()]):.0%}" for side in by_patient]
        rows.append([f"`{rule}`", *(["", "", cells[-1]] if rule == "low_confidence" else cells)])
    rows.append(["any", *(f"{np.mean([bool(rules) for rules in side.values()]):.0%}" for side in by_patient)])
    return _table(rows)


def confidence_table(volumes: Sequence[Volume]) -> str:
    """Rank correlation of the expected with the measured Dice, and by how much it is too high, over volumes."""
    expected = np.array([volume.expected for volume in volumes])
    dice = np.array([list(_dice(volume).values()) for volume in volumes])
    pairs = [(s.short, expected[:, index], dice[:, index]) for index, s in enumerate(STRUCTURES)]
    pairs.append(("mean", np.nanmean(expected, axis=1), np.nanmean(dice, axis=1)))
    rows = [["expected Dice", "rank correlation", "too high by"]]
    for name, one, other in pairs:
        rank = spearmanr(one, other, nan_policy="omit").statistic
        rows.append([name, f"{rank:.2f}", f"{np.nanmean(one - other):.3f}"])
    return _table(rows)


def detection_table(volumes: Sequence[Volume], flags: Mapping[str, list[Flag]]) -> str:
    """Area under the ROC curve of scores for a low mean Dice, over volumes."""
    low = np.array([_mean_dice(volume) for volume in volumes]) < LOW_DICE
    patients = np.array([volume.patient for volume in volumes])
    others = {name: sum(flag.rule != "low_confidence" for flag in own) for name, own in flags.items()}
    scores = {
        "expected Dice, mean of structures": [-float(np.nanmean(volume.expected)) for volume in volumes],
        "expected Dice, lowest structure": [-float(np.nanmin(volume.expected)) for volume in volumes],
        "number of flags": [len(flags[volume.name]) for volume in volumes],
        "number of flags but `low_confidence`": [others[volume.name] for volume in volumes],
    }
    counts = f"{low.sum()} of {len(low)} volumes, {len(set(patients[low]))} patients"
    rows = [[f"score for a mean Dice below {LOW_DICE} ({counts})", "ROC AUC (95 % interval, patients resampled)"]]
    for name, score in scores.items():
        lower, upper = area_interval(low, np.array(score), patients)
        rows.append([name, f"{roc_auc_score(low, score):.2f} ({lower:.2f} to {upper:.2f})"])
    return _table(rows)


def verdict_table(volumes: Sequence[Volume], flags: Mapping[str, list[Flag]]) -> str:
    """Mean Dice by verdict, over volumes."""
    dice = np.array([_mean_dice(volume) for volume in volumes])
    verdicts = np.array([_verdict(flags[volume.name]) for volume in volumes])
    rows = [["verdict of a volume", "volumes", "mean Dice", "lowest", f"below {LOW_DICE}"]]
    for verdict in ("pass", "review", "fail"):
        own = dice[verdicts == verdict]
        numbers = [f"{own.mean():.3f}", f"{own.min():.3f}", str((own < LOW_DICE).sum())] if own.size else [""] * 3
        rows.append([verdict, str(own.size), *numbers])
    return _table(rows)


def cleanup_table(before: Sequence[Volume], after: Sequence[Volume]) -> str:
    """Dice and HD95 of each structure without and with clean-up, and how many volumes it changes."""
    n_changed = sum(not np.array_equal(one.labels, other.labels) for one, other in zip(before, after, strict=True))
    rows = [["clean-up", *(f"Dice {s.short}" for s in STRUCTURES), *(f"HD95 {s.short}, mm" for s in STRUCTURES)]]
    for name, volumes in (("without", before), (f"with ({n_changed} of {len(after)} volumes change)", after)):
        dice = np.nanmean([list(_dice(volume).values()) for volume in volumes], axis=0)
        far = np.nanmean([list(_hd95(volume).values()) for volume in volumes], axis=0)
        rows.append([name, *(f"{value:.4f}" for value in dice), *(f"{mm:.2f}" for mm in far)])
    return _table(rows)


def _segment(segmenter: Segmenter, image: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (X, Y, Z) on the file's grid and the expected Dice of each structure."""
    item = segmenter.predict(read_cine(image))
    expected = sum_probabilities(item["pred"].as_tensor(), n_classes=segmenter.n_classes).expected_dice[0]
    labels = decide_labels(segmenter.to_own_grid(item)["pred"].as_tensor(), n_classes=segmenter.n_classes)[0]
    return labels.numpy(), expected


def _volume(case: Mapping[str, Any], labels: np.ndarray | None, expected: np.ndarray) -> Volume:
    drawn = read_label(case["label"], scheme=case["scheme"])
    truth = drawn.array[0]
    name, found = f"{case['patient']} {case['phase']}", truth if labels is None else labels
    return Volume(name, case["patient"], drawn.grid, found, truth, expected)


def _rules_by_patient(flags: Mapping[str, list[Flag]]) -> dict[str, set[str]]:
    rules: dict[str, set[str]] = defaultdict(set)
    for name, own in flags.items():
        rules[name.split()[0]] |= {flag.rule for flag in own}
    return rules


def _verdict(flags: Sequence[Flag]) -> str:
    severities = {flag.severity for flag in flags}
    return "fail" if "fail" in severities else "review" if severities else "pass"


def _dice(volume: Volume) -> dict[str, float]:
    return {name: both["dice"] for name, both in volume_overlap(volume.truth, volume.labels).items()}


def _mean_dice(volume: Volume) -> float:
    return float(np.nanmean(list(_dice(volume).values())))


def _hd95(volume: Volume) -> dict[str, float]:
    distances = surface_distances(volume.truth, volume.labels, volume.grid)
    return {name: found.hd95_mm if found else float("nan") for name, found in distances.items()}


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
